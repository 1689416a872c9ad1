"""What operators install beside the service: alert rules, dashboard, deployment.

grafana/  the dashboard, and the script that makes it
"""
