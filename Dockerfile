# checkov:skip=CKV_DOCKER_2: a batch job has no health to ask for, only an exit code
# checkov:skip=CKV_DOCKER_4: ADD fetches Amazon's certificates; COPY cannot
FROM denoland/deno:2.9.6@sha256:2014dc167ece617ef7e7ba40631ac2234c59e75ce693e7cc2dc2602b3c87859d AS packages
WORKDIR /app
COPY deno.json deno.lock ./
RUN deno ci
# Amazon's certificates for RDS; a private database needs them to be verified.
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
# The only place that it writes to: the embedded default and verified copies of models.
RUN install --directory --owner 1993 --group 1993 .local
VOLUME /app/.local
# `deno` by its number, so that a cluster can see that it is not root.
USER 1993:1993
ENV NO_COLOR=1 DENO_NO_UPDATE_CHECK=1
# tini is the base image's own first process: it hands signals on.
ENTRYPOINT ["/tini", "--", "deno", "task"]
CMD ["predict"]
