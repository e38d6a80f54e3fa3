"""Schedules: Airflow only. What a task does is a command of jobs/."""
