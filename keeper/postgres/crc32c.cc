#include "keeper/postgres/crc32c.h"

#include <array>
#include <cstring>

namespace pgaf::keeper {
namespace {

constexpr std::uint32_t polynomial = 0x82F63B78U;  // reflected

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr Tables make_tables() {
    Tables tables{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? polynomial : 0U);
        tables[0][i] = crc;
    }
    for (std::uint32_t i = 0; i < 256; ++i)
        for (std::size_t k = 1; k < 8; ++k)
            tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFFU];
    return tables;
}

constexpr Tables tables = make_tables();

}  // namespace

void Crc32c::add(const unsigned char* data, std::size_t size) {
    std::uint32_t crc = state_;
    // Eight bytes a step: a server that stopped long after its checkpoint has gigabytes to look through.
    for (; size >= 8; size -= 8, data += 8) {
        std::uint32_t low = 0;
        std::uint32_t high = 0;
        std::memcpy(&low, data, 4);
        std::memcpy(&high, data + 4, 4);
        low ^= crc;
        crc = tables[7][low & 0xFFU] ^ tables[6][(low >> 8) & 0xFFU] ^ tables[5][(low >> 16) & 0xFFU] ^
              tables[4][low >> 24] ^ tables[3][high & 0xFFU] ^ tables[2][(high >> 8) & 0xFFU] ^
              tables[1][(high >> 16) & 0xFFU] ^ tables[0][high >> 24];
    }
    for (; size > 0; --size, ++data) crc = (crc >> 8) ^ tables[0][(crc ^ *data) & 0xFFU];
    state_ = crc;
}

}  // namespace pgaf::keeper
