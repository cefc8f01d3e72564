#!/usr/bin/env python3
"""The checker of the layers finds each kind of breach, in trees that hold one each."""
import os
import tempfile
import unittest

import check_layers


class Finds(unittest.TestCase):
    def found(self, files):
        with tempfile.TemporaryDirectory(prefix="pgaf-layers-") as root:
            for path, text in files.items():
                os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
                with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                    file.write(text)
            return list(check_layers.breaches(root))

    def one(self, files, *parts):
        found = self.found(files)
        self.assertEqual(len(found), 1, found)
        for part in parts:
            self.assertIn(part, found[0])

    def test_nothing_wrong(self):
        self.assertEqual(self.found({
            "common/ids.h": "#include <string>\n#include <boost/describe.hpp>\n",
            "monitor/fsm/heart.cc": '#include "common/ids.h"\n#include <map>\n',
            "monitor/service/a.cc": '#include "monitor/fsm/heart.h"\n#include <thread>\n#include <grpcpp/grpcpp.h>\n',
        }), [])

    def test_pure_parts_see_nothing_of_the_world(self):
        for folder in ("monitor/fsm", "keeper/reconcile"):
            for include in ("google/protobuf/message.h", "grpcpp/grpcpp.h", "boost/asio.hpp", "spdlog/spdlog.h",
                            "libpq-fe.h", "thread", "mutex", "atomic", "chrono", "iostream", "unistd.h"):
                self.one({f"{folder}/a.cc": f"#include <string>\n#include <{include}>\n"},
                         f"{folder}/a.cc:2", f"<{include}>")

    def test_pure_parts_through_a_header_of_common(self):
        self.one({"keeper/reconcile/a.cc": '#include "common/b.h"\n', "common/b.h": '#include "common/c.h"\n',
                  "common/c.h": "#include <mutex>\n"}, "keeper/reconcile/a.cc:1", "common/b.h -> common/c.h -> mutex")

    def test_programs_do_not_include_each_other(self):
        for path, include in (("monitor/a.cc", "keeper/b.h"), ("keeper/a.cc", "ctl/b.h"), ("ctl/a.cc", "monitor/b.h"),
                              ("common/a.cc", "keeper/b.h"), ("keeper/x/a.h", "tests/b.h")):
            self.one({path: f'#include "{include}"\n'}, f"{path}:1", include)

    def test_launcher_and_ctl_stay_small(self):
        self.one({"keeper/launcher/a.cc": "#include <thread>\n"}, "launcher stays small")
        self.one({"ctl/a.cc": "#include <libpq-fe.h>\n"}, "client of the admin API")

    def test_generated_code_stays_out_of_headers(self):
        self.one({"ctl/a.h": "#include <pgaf/v1/admin.pb.h>\n"}, "forward declare")
        self.assertEqual(self.found({"ctl/a.cc": "#include <pgaf/v1/admin.pb.h>\n"}), [])

    def test_long_files_and_functions(self):
        self.one({"ctl/a.cc": "//\n" * 401}, "401 lines")
        self.assertEqual(self.found({"ctl/a.cc": "//\n" * 400}), [])
        self.one({"tools/a": "#!/bin/sh\n" + "#\n" * 400}, "tools/a: 401 lines")
        body = "    f();\n"
        self.one({"ctl/a.cc": "int f(int a) {\n" + body * 74 + "}\n"}, "ctl/a.cc:1", "76 lines")
        self.assertEqual(self.found({"ctl/a.cc": "int f(int a) {\n" + body * 73 + "}\n"}), [])
        wrapped = "int f(int a,\n      int b) {\n"
        self.one({"ctl/a.cc": wrapped + body * 73 + "}\n"}, "ctl/a.cc:1", "76 lines")
        self.assertEqual(self.found({"ctl/a.cc": "namespace pgaf {\nint a() {\n" + body * 40 + "}\n" +
                                                 "int b() {\n" + body * 40 + "}\n}\n"}), [])


if __name__ == "__main__":
    unittest.main()
