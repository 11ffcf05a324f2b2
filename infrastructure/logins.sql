-- Creates both databases and a login for each secret in churn.yaml. A person runs it once with psql, as the master user,
-- from inside the network; `setup` then creates the tables and grants the two groups their privileges.
--
--   psql "host=$HOST dbname=postgres user=churn_admin sslmode=verify-full sslrootcert=rds.pem" --set ON_ERROR_STOP=1 \
--     --set mlflow_owner="$(password mlflow-owner)" --set mlflow_writer="$(password mlflow-writer)" \
--     --set predictions_owner="$(password predictions-owner)" --set predictions_writer="$(password predictions-writer)" \
--     --set dashboard_reader="$(password dashboard-reader)" --file infrastructure/logins.sql
--
-- where   password() { aws secretsmanager get-secret-value --secret-id "churn-$STAGE/$1" \
--           --query SecretString --output text | jq --raw-output .password; }

-- Keeps the passwords in the statements below out of the server's log.
set log_statement = 'none';
set log_min_duration_statement = -1;

create role churn_writer nologin;
create role churn_reader nologin;

create role mlflow_owner login password :'mlflow_owner';
create role predictions_owner login password :'predictions_owner';
create role mlflow_writer login password :'mlflow_writer' in role churn_writer;
create role predictions_writer login password :'predictions_writer' in role churn_writer;
create role dashboard_reader login password :'dashboard_reader' in role churn_reader;

-- A master user that is not a superuser may make only a role that it is a member of the owner of a database.
grant mlflow_owner, predictions_owner to current_user;
create database mlflow_db owner mlflow_owner;
create database predictions owner predictions_owner;

-- Only the granted roles may connect. Before Postgres 15, everyone could also create tables in "public".
revoke all on database mlflow_db, predictions from public;
grant connect on database mlflow_db, predictions to churn_writer, churn_reader;
