// PostgreSQL's own programs that run on the keeper's word: started, read from, ended. Knows nothing of the socket.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/line_buffer.h"
#include "common/log.h"
#include "keeper/launcher/event_loop.h"
#include "keeper/launcher/process.h"

namespace pgaf::launcher {

class Runs {
  public:
    struct Callbacks {
        std::function<void(std::uint64_t run, const char* stream, const std::string& text)> output;
        /// The program and every process of its group are gone, and all of its output has been told.
        std::function<void(std::uint64_t run, int code)> ended;
    };

    Runs(EventLoop& loop, Callbacks callbacks, Log log);
    ~Runs();
    Runs(const Runs&) = delete;
    Runs& operator=(const Runs&) = delete;

    /// `command` without its descriptors. `writes`: it writes into the data folder (see writing()).
    Result<pid_t> start(std::uint64_t run, Command command, bool writes);
    /// SIGTERM, later SIGKILL. False: no such run.
    bool end(std::uint64_t run);
    /// The connection that asked for them is gone: all of them are ended, and nobody is told.
    void abandon_all();
    /// The launcher has reaped this child. False: it was no run's first process (but may have been of its group).
    bool reaped(pid_t pid, int status);
    /// Looks for runs whose group has become empty: after children were reaped.
    void look_for_ended();
    /// Whether output is read; while it is not, the programs wait.
    void set_reading(bool reading);

    [[nodiscard]] bool empty() const { return runs_.empty(); }
    /// The name of a program under way that writes into the data folder; empty: none.
    [[nodiscard]] std::string writing() const;
    [[nodiscard]] std::set<pid_t> groups() const;
    /// Called once, as soon as no program runs.
    void when_empty(std::function<void()> callback);

  private:
    struct Stream {
        const char* name = "";
        Fd fd;
        LineBuffer lines;
    };
    struct Run {
        std::uint64_t id = 0;
        std::string program;
        bool writes = false;
        bool abandoned = false;
        pid_t group = 0;
        /// The first process has been reaped, with this code.
        bool leader_gone = false;
        int code = 0;
        Stream out;
        Stream err;
        EventLoop::TimerId kill_timer = 0;
        EventLoop::TimerId drain_timer = 0;
    };

    void read(Run& run, Stream& stream);
    void close_stream(Stream& stream);
    void tell(const Run& run, const Stream& stream, const std::vector<std::string>& lines);
    void watch(const std::shared_ptr<Run>& run, Stream& stream);
    void end(Run& run);
    void drain_later(const std::shared_ptr<Run>& run);
    /// True when it was the end of the run.
    bool finish_if_over(Run& run);

    EventLoop& loop_;
    Callbacks callbacks_;
    Log log_;
    bool reading_ = true;
    std::map<pid_t, std::shared_ptr<Run>> runs_;
    std::function<void()> when_empty_;
};

}  // namespace pgaf::launcher
