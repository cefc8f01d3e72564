// The CRC of WAL records (CRC-32C, Castagnoli).
#pragma once

#include <cstddef>
#include <cstdint>

namespace pgaf::keeper {

class Crc32c {
  public:
    void add(const unsigned char* data, std::size_t size);
    [[nodiscard]] std::uint32_t value() const { return state_ ^ 0xFFFFFFFFU; }

  private:
    std::uint32_t state_ = 0xFFFFFFFFU;
};

}  // namespace pgaf::keeper
