#!/usr/bin/python3
"""The manifests of deploy/kubernetes fit the API, and the check notices what does not: test_manifests.py MANIFESTS FOLDER."""

import copy
import pathlib
import sys
import unittest

import check_manifests as checks

MANIFESTS, FOLDER = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])


def kind_of(found, kind, name):
    return next((file, document) for file, document in found
                if document["kind"] == kind and document["metadata"]["name"] == name)


class Manifests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.found = checks.documents(MANIFESTS)

    def spoilt(self, kind, name, spoil):
        """(all manifests, with this one spoilt; the file; the spoilt one)"""
        found = copy.deepcopy(self.found)
        file, document = kind_of(found, kind, name)
        spoil(document)
        return found, file, document

    def node_pod(self, spoil):
        _, file, document = self.spoilt("StatefulSet", "pgaf", lambda d: spoil(d["spec"]["template"]["spec"]))
        return checks.check_pods(file, document, document["spec"]["template"])

    def test_they_fit(self):
        self.assertEqual(checks.check(MANIFESTS, FOLDER), [])
        kinds = sorted(document["kind"] for _, document in self.found)
        for kind in ("StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget"):
            self.assertIn(kind, kinds)

    def test_types_find_what_does_not_fit(self):
        """Each spoilt in one way; each is to be complained of, and nothing else."""
        spoils = [
            ("unknown field", lambda d: d["spec"].update(replica=3), "'\"replica\"' does not exist"),
            ("unknown field deep below", lambda d: d["spec"]["template"]["spec"]["containers"][1]["readinessProbe"].update(period=2),
             "'\"period\"' does not exist"),
            ("wrong kind of value", lambda d: d["spec"].update(replicas="3"), "'string' is not assignable to type 'number'"),
            ("missing field", lambda d: d["spec"].pop("selector"), "'selector' is missing"),
            ("another kind", lambda d: d.update(kind="StatefulSets"), "no exported member"),
            ("another version", lambda d: d.update(apiVersion="apps/v9"), "Cannot find module"),
        ]
        checks.install(checks.HERE, FOLDER)
        found = [self.spoilt("StatefulSet", "pgaf", spoil)[2] for _, spoil, _ in spoils]
        lines = checks.check_types([(f"{number}.yaml", document) for number, document in enumerate(found)], FOLDER)
        for number, (what, _, words) in enumerate(spoils):
            mine = [line for line in lines if line.startswith(f"manifests/{number}-")]
            self.assertTrue(any(words in line for line in mine), f"{what}: {mine}")

    def test_words_find_what_no_type_says(self):
        def words(spoil):
            _, file, document = self.spoilt("StatefulSet", "pgaf", spoil)
            return checks.check_words(file, document)
        self.assertTrue(words(lambda d: d["spec"].update(podManagementPolicy="Parallell")))
        self.assertTrue(words(lambda d: d["spec"]["volumeClaimTemplates"][0]["spec"].update(accessModes=["ReadWriteTwice"])))
        self.assertTrue(words(lambda d: d["spec"]["template"]["spec"]["volumes"][0]["emptyDir"].update(sizeLimit="16MiB")))

    def test_pods(self):
        self.assertEqual(self.node_pod(lambda spec: None), [])
        for spoil in (lambda spec: spec["volumes"].pop(),
                      lambda spec: spec["containers"][0]["volumeMounts"].pop(),
                      lambda spec: spec["containers"][1]["readinessProbe"]["httpGet"].update(port="https"),
                      lambda spec: spec["containers"][0].pop("resources"),
                      lambda spec: spec["containers"][0]["securityContext"].update(readOnlyRootFilesystem=False),
                      lambda spec: spec["containers"][0].pop("securityContext"),
                      lambda spec: spec["containers"][1]["env"].append({"name": "PGAF_KEEPER_SUPERUSER_PASSWORD", "value": "x"}),
                      lambda spec: spec["securityContext"].pop("runAsNonRoot")):
            self.assertTrue(self.node_pod(spoil))

    def test_references(self):
        self.assertEqual(checks.check_references(self.found), [])
        for kind, name, spoil in (
                ("Service", "pgaf-nodes", lambda d: d["spec"]["selector"].update(tier="x")),
                ("Service", "pgaf-nodes", lambda d: d["spec"]["ports"][0].update(targetPort="postgre")),
                ("Service", "pgaf-nodes", lambda d: d["metadata"].update(name="nodes")),
                ("NetworkPolicy", "pgaf-monitor", lambda d: d["spec"]["ingress"][0]["ports"][0].update(port="rest")),
                ("PodDisruptionBudget", "pgaf", lambda d: d["spec"]["selector"]["matchLabels"].update(tier="x"))):
            self.assertTrue(checks.check_references(self.spoilt(kind, name, spoil)[0]), name)

    def test_sidecar_shares_data_and_sockets_and_nothing_else(self):
        spec = kind_of(self.found, "StatefulSet", "pgaf")[1]["spec"]["template"]["spec"]
        self.assertNotIn("shareProcessNamespace", spec)
        postgres, keeper = spec["containers"]
        environment = [{entry["name"]: entry.get("value") for entry in one["env"]} for one in (postgres, keeper)]
        self.assertEqual(environment[0]["PGAF_LAUNCHER_SOCKET"], environment[1]["PGAF_KEEPER_LAUNCHER_SOCKET"])
        self.assertEqual(environment[0]["PGAF_LAUNCHER_PGDATA"], environment[1]["PGAF_KEEPER_PGDATA"])
        mounts = [{mount["name"] for mount in one["volumeMounts"]} - {"tmp"} for one in (postgres, keeper)]
        self.assertEqual(mounts, [{"data", "sockets", "shm"}, {"data", "sockets"}])
        # It outlives the launcher, so that a primary is handed over.
        self.assertEqual(keeper["lifecycle"]["preStop"]["exec"]["command"],
                         ["/opt/pgaf/wait-for-launcher", environment[0]["PGAF_LAUNCHER_SOCKET"]])
        # But one that hangs must not: within the 60 s of keeper-timeout-ms it is noticed, ended and there again.
        probe = keeper["livenessProbe"]
        self.assertLess(probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
                        + probe.get("terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"]), 45)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
