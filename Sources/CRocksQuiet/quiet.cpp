// SPDX-License-Identifier: Apache-2.0
#include "crocksquiet.h"

#include <rocksdb/c.h>
#include <rocksdb/env.h>
#include <rocksdb/version.h>

#include <cstdarg>
#include <memory>

/// As RocksDB's C interface has it, where it is not made public.
struct rocksdb_logger_t {
    std::shared_ptr<rocksdb::Logger> rep;
};

namespace {

class QuietLogger : public rocksdb::Logger {
public:
    using rocksdb::Logger::Logv;
    void Logv(const char *, va_list) override {}
};

}  // namespace

extern "C" void cr_be_quiet(void *options) {
    rocksdb_logger_t logger{std::make_shared<QuietLogger>()};
    rocksdb_options_set_info_log(static_cast<rocksdb_options_t *>(options), &logger);
}

extern "C" void cr_version(int numbers[3]) {
    numbers[0] = ROCKSDB_MAJOR;
    numbers[1] = ROCKSDB_MINOR;
    numbers[2] = ROCKSDB_PATCH;
}
