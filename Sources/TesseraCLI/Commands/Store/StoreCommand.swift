// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `tessera store`: what is in a store, and its upkeep.
struct StoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "Look into a store and keep it in order.",
        subcommands: [
            List.self, Show.self, Pin.self, Unpin.self, Remove.self, Recompress.self, Stats.self, ContentDigest.self,
            Verify.self,
            Repair.self, Compact.self, Export.self, Import.self, RebuildCatalog.self,
        ])
}
