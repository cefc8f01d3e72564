// Takes in what happens: sessions, reports, answers to probes. Changes the memory, and in the record only what is
// learnt (who a node is, forks, high-water marks), never a decision.
#pragma once

#include "monitor/fsm/world.h"

namespace pgaf::fsm {

void ingest(World& world, const SessionOpened& input);
void ingest(World& world, const SessionClosed& input);
void ingest(World& world, const ReportReceived& input);
void ingest(World& world, const ProbeAnswered& input);

}  // namespace pgaf::fsm
