#!/bin/sh
# Writes docker/.env with fresh secrets. One that stands is kept, for the databases were made with it; missing ones are added.
set -eu
file=$(dirname "$0")/.env
umask 077
touch "$file"
for name in POSTGRES_PASSWORD AIRFLOW_ADMIN_PASSWORD AIRFLOW_FERNET_KEY AIRFLOW_JWT_SECRET AIRFLOW_SECRET_KEY \
  MLFLOW_ADMIN_PASSWORD MLFLOW_SECRET_KEY SPARK_SECRET NIGHTSHELF_SALT; do
  grep -q "^$name=" "$file" || echo "$name=$(head -c 32 /dev/urandom | base64 | tr '+/' '-_')" >> "$file"
done
echo "$file holds all secrets"
