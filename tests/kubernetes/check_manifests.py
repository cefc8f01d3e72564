#!/usr/bin/python3
"""Checks deploy/kubernetes against the API of Kubernetes, offline: the npm package kubernetes-types is generated from its
OpenAPI description, and the TypeScript compiler takes each manifest as a constant of its type. What is missing, misspelt,
unknown or of the wrong kind does not compile. And what no type says: what is named by one manifest exists in another.

    check_manifests.py MANIFESTS FOLDER     FOLDER: for the npm packages and what is generated
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))

from npm import install  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
OPTIONS = {
    "compilerOptions": {"strict": True, "noEmit": True, "target": "es2022", "module": "preserve", "types": [],
                        "moduleResolution": "bundler"},
    "include": ["manifests/*.ts"],
}
# Words that the API knows and the types leave open.
WORDS = {
    "podManagementPolicy": {"OrderedReady", "Parallel"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "fsGroupChangePolicy": {"Always", "OnRootMismatch"},
    "restartPolicy": {"Always", "OnFailure", "Never"},
    "protocol": {"TCP", "UDP", "SCTP"},
    "policyTypes": {"Ingress", "Egress"},
    "accessModes": {"ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"},
    "whenDeleted": {"Retain", "Delete"},
    "whenScaled": {"Retain", "Delete"},
    "medium": {"", "Memory"},
}
QUANTITY = re.compile(r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")


def documents(folder):
    """(file, document) of all manifests."""
    found = []
    for file in sorted(folder.glob("*.yaml")):
        found += [(file.name, document) for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]
    return found


def check_types(found, folder):
    target = folder / "manifests"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    (folder / "tsconfig.json").write_text(json.dumps(OPTIONS), encoding="utf-8")
    for number, (file, document) in enumerate(found):
        group, _, version = document["apiVersion"].rpartition("/")
        # networking.k8s.io/v1 is networking/v1 there, and the group without a name is core.
        module = f"{group.split('.')[0] or 'core'}/{version}"
        kind = document["kind"]
        name = f"{file.removesuffix('.yaml')}-{number}-{kind}.ts"
        (target / name).write_text(f"import type {{ {kind} }} from 'kubernetes-types/{module}';\n"
                                   f"export const manifest: {kind} = {json.dumps(document, indent=2)};\n", encoding="utf-8")
    done = subprocess.run(["node_modules/.bin/tsc", "--project", "tsconfig.json", "--pretty", "false"], cwd=folder,
                          capture_output=True, text=True, timeout=280, check=False)
    return done.stdout.splitlines() if done.returncode != 0 else []


def walk(value, path=""):
    """All (path, key, value) of a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield path, key, inner
            yield from walk(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from walk(inner, f"{path}[{number}]")


def check_words(file, document):
    wrong = []
    for path, key, value in walk(document):
        for word in value if isinstance(value, list) else [value]:
            if key in WORDS and isinstance(word, str) and word not in WORDS[key]:
                wrong.append(f"{file}: {path}.{key}: {word} is none of {', '.join(sorted(WORDS[key]))}")
        if key in ("cpu", "memory", "storage", "sizeLimit") and not QUANTITY.match(str(value)):
            wrong.append(f"{file}: {path}.{key}: {value} is no quantity")
    return wrong


def selects(labels, selector):
    return all(labels.get(name) == value for name, value in selector.items())


def templates(found):
    return [(file, document, document["spec"]["template"]) for file, document in found if "template" in document.get("spec", {})]


def check_pods(file, document, template):
    """Volumes, selectors, and what the namespace's profile asks for."""
    wrong = []
    spec, labels = template["spec"], template["metadata"]["labels"]
    at = f"{file}: {document['kind']} {document['metadata']['name']}"
    selector = document["spec"].get("selector", {}).get("matchLabels", {})
    if document["kind"] != "Job" and not (selector and selects(labels, selector)):
        wrong.append(f"{at}: its selector does not select its pods")
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    volumes |= {claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])}
    used = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", [])}
    wrong += [f"{at}: volume {name} is mounted and not there, or there and not mounted" for name in volumes ^ used]
    security = spec.get("securityContext", {})
    if not security.get("runAsNonRoot") or security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        wrong.append(f"{at}: runAsNonRoot and the seccomp profile RuntimeDefault are asked for")
    for container in spec["containers"]:
        where = f"{at}, container {container['name']}"
        confined = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        if container.get("securityContext") != confined:
            wrong.append(f"{where}: its securityContext is not {confined}")
        ports = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container and container[probe]["httpGet"]["port"] not in ports:
                wrong.append(f"{where}: {probe} asks a port that is not there")
        for variable in container.get("env", []):
            if "PASSWORD" in variable["name"] and "valueFrom" not in variable:
                wrong.append(f"{where}: {variable['name']} stands in the manifest")
        if "limits" not in container.get("resources", {}):
            wrong.append(f"{where}: it has no limits")
    return wrong


def check_references(found):
    """Each service, policy and budget selects pods, and names ports that they have."""
    wrong = []
    pods = [template for _, _, template in templates(found)]
    for file, document in found:
        spec, kind = document.get("spec", {}), document["kind"]
        at = f"{file}: {kind} {document['metadata']['name']}"
        selector = {"Service": spec.get("selector"), "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
                    "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels")}.get(kind)
        if selector is None:
            continue
        # The controller of StatefulSets adds this one.
        chosen = [pod for pod in pods if selects({**pod["metadata"]["labels"],
                                                  "statefulset.kubernetes.io/pod-name": selector.get("statefulset.kubernetes.io/pod-name")},
                                                 selector)]
        if not chosen:
            wrong.append(f"{at}: it selects no pods")
        names = {port["name"] for pod in chosen for one in pod["spec"]["containers"] for port in one.get("ports", [])}
        asked = [port["targetPort"] for port in spec.get("ports", []) if kind == "Service"]
        asked += [port["port"] for rule in spec.get("ingress", []) for port in rule.get("ports", [])]
        wrong += [f"{at}: its pods have no port {name}" for name in asked if name not in names]
    services = {document["metadata"]["name"] for _, document in found if document["kind"] == "Service"}
    wrong += [f"{file}: there is no service {document['spec']['serviceName']}" for file, document in found
              if document["kind"] == "StatefulSet" and document["spec"]["serviceName"] not in services]
    return wrong


def check(manifests, folder):
    found = documents(manifests)
    if not found:
        return [f"no manifests in {manifests}"]
    install(HERE, folder)
    wrong = check_types(found, folder)
    for file, document in found:
        wrong += check_words(file, document)
        if document["kind"] != "Namespace" and document["metadata"].get("namespace") != "pgaf":
            wrong.append(f"{file}: {document['kind']} {document['metadata']['name']} is in no namespace")
        if document["kind"] == "Secret":
            wrong.append(f"{file}: secrets are made by hand, not kept in a file")
    if not wrong:
        for file, document, template in templates(found):
            wrong += check_pods(file, document, template)
        wrong += check_references(found)
    return wrong


def main():
    if len(sys.argv) != 3:
        sys.exit("Usage: check_manifests.py MANIFESTS FOLDER")
    wrong = check(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
    print("\n".join(wrong) if wrong else "all manifests fit")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
