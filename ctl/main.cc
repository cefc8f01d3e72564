// pgafctl: hands the process's arguments, environment and streams to ctl/run.cc.
#include <unistd.h>

#include <iostream>

#include "ctl/pgafctl.h"

extern char** environ;  // NOLINT(readability-redundant-declaration): unistd.h has it only with _GNU_SOURCE

int main(int argc, char** argv) {
    std::map<std::string, std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const auto at = text.find('=');
        if (at != std::string::npos) environment[text.substr(0, at)] = text.substr(at + 1);
    }
    pgaf::ctl::Terminal terminal{.in = std::cin,
                                 .out = std::cout,
                                 .err = std::cerr,
                                 .out_is_terminal = ::isatty(STDOUT_FILENO) != 0,
                                 .can_ask = ::isatty(STDIN_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0};
    return pgaf::ctl::run(std::vector<std::string>(argv + 1, argv + argc), environment, terminal);
}
