// A look at another node's PostgreSQL from here (detection, evidence 2 and 3): does its port refuse, stay silent, or
// answer? Knows no credentials: an SSL request is answered before any of them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <string>

#include "common/ids.h"
#include "common/model/report.h"

namespace pgaf::keeper {

/// Never takes longer than `limit`, also when the name server is silent.
boost::asio::awaitable<PortState> probe_port(boost::asio::any_io_executor strand, std::string host, std::uint16_t port,
                                             Millis limit);

}  // namespace pgaf::keeper
