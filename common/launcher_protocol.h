// What keeper and launcher say to each other over the Unix socket: one JSON object a line, both ways.
// The launcher serves one keeper at a time; a newer connection replaces an older one.
//
// Keeper to launcher, each with an "id" that the answer repeats:
//   {"id":1,"op":"start"}                          start the postmaster; the answer comes when it was forked
//   {"id":2,"op":"stop","mode":"fast"}             fast | immediate; the answer comes when it has exited (R13)
//   {"id":3,"op":"reload"}                         SIGHUP to the postmaster
//   {"id":4,"op":"end_process","pid":123}          SIGTERM to a child of the postmaster; answered when it is gone
//   {"id":5,"op":"run","program":"pg_rewind","args":[...],"env":{...},"allow":...}  one of PostgreSQL's own programs
//   {"id":6,"op":"kill_run","run":5}               ends a program under way
//   {"id":7,"op":"status"}
//   {"id":8,"op":"let_go"}                         after "leaving": the handover is done, the launcher may end
//   {"id":9,"op":"deadline","ms":60000}            R8: stop PostgreSQL unless this is renewed in time; 0: none
// Launcher to keeper:
//   {"id":1,"ok":true, ...} or {"id":1,"ok":false,"error":"..."}
//   {"event":"exited","exits":3,"status":"signal 9"}  the postmaster and all that it left are gone and reaped
//   {"event":"leaving"}                               the launcher got SIGTERM
//   {"event":"output","run":5,"stream":"stderr","text":"..."}  a line of a program's output
//   {"event":"run_ended","run":5,"code":0}
//   {"event":"hello","data_dir":"...","bin_dir":"...","postmaster":1234,"exits":0,"leaving":false,"pg_version":"..."}
#pragma once

#include <cstddef>

namespace pgaf::launcher {

/// No line is longer; a peer that sends a longer one is disconnected.
inline constexpr std::size_t max_line_bytes = 64 * 1024;
/// Programs that "run" accepts, all in PostgreSQL's bin folder.
inline constexpr const char* programs[] = {"initdb", "pg_basebackup", "pg_rewind", "pg_waldump", "pg_controldata"};

}  // namespace pgaf::launcher
