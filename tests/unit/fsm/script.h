// Scripts: blocks of commands, a line "----", and what is expected to come of them; a blank line ends a block.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/fsm/lab.h"
#include "tests/unit/fsm/print.h"

namespace pgaf::lab {

struct Block {
    /// Lines before the commands: comments and blank lines, kept as they are.
    std::vector<std::string> before;
    std::vector<std::string> commands;
    std::vector<std::string> expected;
    std::size_t line = 0;
};

[[nodiscard]] std::vector<Block> parse_script(const std::string& text);
[[nodiscard]] std::string print_script(const std::vector<Block>& blocks);

/// Carries out a script's commands on one laboratory.
class Script {
  public:
    Script();
    /// What comes of the commands of one block.
    std::vector<std::string> run(const std::vector<std::string>& commands);
    [[nodiscard]] const std::vector<std::string>& violations() const { return lab_->watch.violations; }

    /// Every input and output of the heart, for who wants them beside what is printed. Set before run().
    std::function<void(const fsm::Input&, Millis)> on_input;
    std::function<void(const fsm::Output&)> on_output;

    /// A command's words.
    using Words = std::vector<std::string>;

  private:
    void command(const std::string& text);
    bool cluster_command(const Words& words);
    bool time_command(const Words& words);
    bool machine_command(const Words& words);
    bool server_command(const Words& words);
    bool report_command(const Words& words);
    bool monitor_command(const Words& words);
    void declare(const Words& words);
    void add_nodes(const Words& words, std::size_t first, std::size_t last);
    void formed();
    void operate(const Words& words);
    void show(const Words& words);
    void note(const std::string& line);
    void listen();
    [[nodiscard]] Node& node(const std::string& name);

    std::unique_ptr<Lab> lab_;
    Printer printer_;
    std::vector<std::string> lines_;
    bool quiet_ = false;
    Millis noted_;
    Millis began_;
    std::map<NodeName, Node> snapshots_;
    std::map<NodeName, Report> kept_reports_;
    std::map<NodeName, Goal> kept_goals_;
    std::optional<ClusterRecord> backup_;
    Term backup_term_;
    std::map<NodeName, std::vector<std::uint64_t>> written_;
    std::uint64_t commands_ = 0;
};

}  // namespace pgaf::lab
