-- Run once, when the volume is new. POSTGRES_DB is Airflow's.
CREATE DATABASE mlflow;
