"""Fleets for the benchmarks: as many clusters as asked for, written as a team would write them."""

import json
import os
import uuid

ZONES = ("a", "b", "c")
CLUSTERS_PER_FILE = 100
FILES_PER_FOLDER = 1000
INSTANCES_PER_HOST = 100

# Thirty lines, the separator among them. No port: allocation picks one.
CLUSTER = """\
---
apiVersion: evenkeel.dev/v1
kind: Cluster
metadata:
  name: {name}
  labels:
    team: team-{team}
    tier: standard
spec:
  engine: {{type: mariadb, version: "10.11"}}
  topology: primaryReplica
  placement:
    - {{zone: bench-a, replicas: 1}}
    - {{zone: bench-b, replicas: 1}}
    - {{zone: bench-c, replicas: 1}}
  primary:
    preferredZones: [bench-a]
  resources:
    memory: 256Mi
    storage: 5Gi
  durability: semiSync
  parameters:
    max_connections: 200
  databases:
    - {{name: app, characterSet: utf8mb4}}
  accounts:
    - name: app
      host: "10.%"
      passwordFrom: {{file: {secret}}}
      grants: [{{on: "app.*", privileges: [SELECT, INSERT, UPDATE, DELETE]}}]
"""
assert CLUSTER.count("\n") == 30


def cluster_name(number):
    return f"c{number:06d}"


def write_fleet(folder, clusters, secret="{name}-app"):
    """Writes a fleet of `clusters` clusters on just enough hosts. Returns the bytes of its text."""
    os.makedirs(folder)
    text = ["apiVersion: evenkeel.dev/v1\nkind: Region\nmetadata: {name: bench}\n"
            "spec: {displayName: Bench, locationCode: 1, default: true}\n"]
    for zone in ZONES:
        text.append("---\napiVersion: evenkeel.dev/v1\nkind: AvailabilityZone\n"
                    f"metadata: {{name: bench-{zone}}}\nspec: {{region: bench, rooms: [r1]}}\n")
    size = _write(os.path.join(folder, "region.yaml"), "".join(text))
    size += _write_hosts(folder, clusters)
    for start in range(0, clusters, CLUSTERS_PER_FILE):
        file = start // CLUSTERS_PER_FILE
        place = os.path.join(folder, "clusters", f"{file // FILES_PER_FOLDER:03d}")
        os.makedirs(place, exist_ok=True)
        names = [(number, cluster_name(number)) for number in range(start, min(start + CLUSTERS_PER_FILE, clusters))]
        documents = [CLUSTER.format(name=name, team=number % 40, secret=secret.format(name=name)) for number, name in names]
        size += _write(os.path.join(place, f"{file % FILES_PER_FOLDER:03d}.yaml"), "".join(documents))
    return size


def _write_hosts(folder, clusters):
    hosts = -(-clusters // INSTANCES_PER_HOST)
    size = 0
    for zone_number, zone in enumerate(ZONES):
        documents = []
        for number in range(hosts):
            address = f"10.{zone_number}.{number // 250}.{number % 250 + 1}"
            documents.append("---\napiVersion: evenkeel.dev/v1\nkind: Host\n"
                             f"metadata: {{name: h-{zone}-{number:04d}}}\n"
                             f"spec: {{zone: bench-{zone}, room: r1, address: {address}}}\n")
        size += _write(os.path.join(folder, f"hosts-{zone}.yaml"), "".join(documents))
    return size


def _write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return len(text.encode())


def write_terraform(folder, resources):
    """The same number of resources for terraform: its built-in `terraform_data`, which needs no provider."""
    os.makedirs(folder)
    with open(os.path.join(folder, "main.tf"), "w", encoding="utf-8") as file:
        for number in range(resources):
            file.write(f'resource "terraform_data" "{cluster_name(number)}" {{\n'
                       f'  input = {{ name = "{cluster_name(number)}", replicas = 3, max_connections = 200 }}\n}}\n')


def write_terraform_state(folder, resources):
    """The state that applying them leaves; terraform itself takes many minutes to write it one by one."""
    kind = ["object", {"max_connections": "number", "name": "string", "replicas": "number"}]
    entries = []
    for number in range(resources):
        value = {"value": {"max_connections": 200, "name": cluster_name(number), "replicas": 3}, "type": kind}
        attributes = {"id": str(uuid.UUID(int=number + 1)), "input": value, "output": value, "triggers_replace": None}
        entries.append({
            "mode": "managed", "type": "terraform_data", "name": cluster_name(number),
            "provider": 'provider["terraform.io/builtin/terraform"]',
            "instances": [{"schema_version": 0, "attributes": attributes, "sensitive_attributes": []}]})
    state = {"version": 4, "terraform_version": "1.0.0", "serial": 1, "lineage": str(uuid.UUID(int=1)), "outputs": {},
             "resources": entries, "check_results": None}
    with open(os.path.join(folder, "terraform.tfstate"), "w", encoding="utf-8") as file:
        json.dump(state, file)
