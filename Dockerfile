# checkov:skip=CKV_DOCKER_2: a batch job has an exit code; it needs no health check
# checkov:skip=CKV_DOCKER_4: ADD fetches Amazon's certificates; COPY cannot
FROM denoland/deno:2.9.6@sha256:2014dc167ece617ef7e7ba40631ac2234c59e75ce693e7cc2dc2602b3c87859d AS packages
WORKDIR /app
COPY deno.json deno.lock ./
RUN deno ci
# Amazon's certificates for RDS, needed to verify a private database.
ADD --chmod=644 https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem certificates/rds.pem

FROM denoland/deno:2.9.6@sha256:2014dc167ece617ef7e7ba40631ac2234c59e75ce693e7cc2dc2602b3c87859d
WORKDIR /app
COPY --from=packages /app/ ./
COPY variants.yaml ./
COPY sql/ sql/
COPY lib/ lib/
COPY scripts/ scripts/
COPY models/ models/
COPY data/ data/
# The only writable folder: the embedded database and verified copies of models.
RUN install --directory --owner 1993 --group 1993 .local
VOLUME /app/.local
# The numeric id of the user `deno`, so that a cluster can verify that it is not root.
USER 1993:1993
ENV NO_COLOR=1 DENO_NO_UPDATE_CHECK=1
# tini is the init process of the base image: it forwards signals.
ENTRYPOINT ["/tini", "--", "deno", "task"]
CMD ["predict"]
