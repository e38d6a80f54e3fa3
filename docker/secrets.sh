#!/bin/sh
# Writes docker/.env with fresh secrets; a file that stands is kept, for Postgres was made with it.
set -eu
file=$(dirname "$0")/.env
[ ! -e "$file" ] || { echo "$file stands; nothing to do"; exit 0; }
umask 077
secret() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }
cat > "$file" <<END
POSTGRES_PASSWORD=$(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
AIRFLOW_FERNET_KEY=$(secret)
AIRFLOW_JWT_SECRET=$(secret)
AIRFLOW_SECRET_KEY=$(secret)
NIGHTSHELF_SALT=$(secret)
END
echo "$file written"
