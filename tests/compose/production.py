"""docker-compose.production.yml: what it refuses to start without, and whom a cluster that runs by it lets in."""

import re

import yaml

from engine import expect
from stack import PRODUCTION

# In the stack's network, outside of the 172.28.0.0/24 that the stack itself is in.
CLIENTS, A_CLIENT, A_STRANGER = "172.28.9.0/24", "172.28.9.9", "172.28.77.7"
REFUSED = r"pg_hba\.conf (rejects connection|entry)"


def write_settings(stack, settings):
    text = "".join(f"{name}={value}\n" for name, value in settings.items())
    (stack.folder / ".env.production").write_text(text, encoding="utf-8")


def config(stack):
    """What docker-compose makes of the files; None and its message: it refuses."""
    done = stack.run("docker-compose", *PRODUCTION, "config")
    return (yaml.safe_load(done.stdout), "") if done.returncode == 0 else (None, done.stderr.strip())


def asks_for_what_it_needs(stack):
    """Leaves .env.production, complete."""
    tests, example = stack.settings(), stack.settings(".env.example")
    whole = {**tests, **{name: tests.get(name, "") for name in example}, "PGAF_CLIENT_NETWORK": CLIENTS,
             "PGAF_GRAFANA_URL": "http://127.0.0.1:3000"}
    for what, settings, message in (
            (".env.example as it is", example, "the address that ports are published on; see .env.example"),
            (".env.test", tests, "where people reach Grafana; see .env.example"),
            ("no superuser's password", {**whole, "PGAF_POSTGRES_PASSWORD": ""}, "the superuser's password; see .env.example")):
        write_settings(stack, settings)
        made, said = config(stack)
        expect(made is None, f"production starts with {what}")
        expect(message in said, f"production with {what} does not say what is missing", said)
    write_settings(stack, whole)
    made, said = config(stack)
    expect(made is not None, "production refuses what is complete", said)
    ports = [port for service in made["services"].values() for port in service.get("ports", [])]
    expect(len(ports) > 10 and all(port.startswith("127.0.0.1:") for port in ports), "a port is published elsewhere", ports)


def answers(stack, address, logins):
    """What PostgreSQL of postgres-primary answers to clients of this address: ok, or its message."""
    # Who is refused hears that at once; a machine that is busy may need long for the others.
    script = "".join(f"PGPASSWORD='{password}' psql -wXAtq -c \"SELECT 'ok'\" "
                     f"'postgresql://{user}@172.28.0.10:5432/{database}?connect_timeout=60' 2>&1 | tail -n 1\n"
                     for user, password, database in logins)
    said = stack.engine.docker("run", "--rm", "--network", "pgaf_pgaf", "--ip", address, "--entrypoint", "sh",
                               "pgaf-postgres-primary:local", "-c", script, limit=480)
    return said.splitlines()


def lets_in(stack, restricted):
    """By .env.test everybody who knows a password; in production the application's roles, from the clients' network."""
    def login(user, name, database="clinic"):
        return user, stack.setting(f"PGAF_{name}_PASSWORD"), database
    application = [login("clinic_app", "APP"), login("clinic_report", "REPORT")]
    others = [login("postgres", "POSTGRES", "postgres"), login("clinic_monitoring", "MONITORING"), login("clinic_app", "APP", "postgres")]
    stranger = answers(stack, A_STRANGER, application)
    if not restricted:
        expect(stranger == ["ok", "ok"], "by .env.test everybody is let in", stranger)
        return
    client = answers(stack, A_CLIENT, application + others)
    expect(client[:2] == ["ok", "ok"], "the application is not let in from the clients' network", client)
    for who, said in zip([*others, *application], client[2:] + stranger, strict=True):
        expect(re.search(REFUSED, said), f"{who[0]} is let in to {who[2]}, or turned away by something else", said)
