// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import TesseraKV
import TesseraStore

/// Options of commands that work on a store that is there, without a model.
struct StoreFolderOptions: ParsableArguments {
    @Option(help: "The folder of the store. By default tessera in the user's cache folder.", completion: .directory)
    var store: String = StoreOptions.defaultStore

    @Option(help: "The file with the key that the store is encrypted with.", completion: .file())
    var encryptKeyFile: String?

    /// Its options, and whether each differs from what it is when it is left out.
    var given: [(name: String, isGiven: Bool)] {
        [("--store", store != StoreOptions.defaultStore), ("--encrypt-key-file", encryptKeyFile != nil)]
    }

    var folder: URL { URL(fileURLWithPath: store) }

    /// What a store is opened with.
    func options() throws -> TesseraStore.StoreOptions {
        TesseraStore.StoreOptions(encryptionKey: try encryptKeyFile.map { try EncryptionKey(file: $0) })
    }

    /// Opens the store; none is made.
    func open() throws -> ChunkStore {
        try requireStore()
        let store = try ChunkStore(directory: folder, options: try options())
        for note in store.notes { Notices.say(note) }
        return store
    }

    func requireStore() throws {
        guard FileManager.default.fileExists(atPath: folder.appendingPathComponent("VERSION").path) else {
            throw TesseraError(.notFound, "there is no store in \(folder.path); name one with --store")
        }
    }
}

extension ChunkStore {
    /// The one record whose key begins with these digits.
    func key(_ digits: String) throws -> ChunkKey {
        guard digits.count >= 6, digits.count <= 64, digits.allSatisfy(\.isHexDigit) else {
            throw TesseraError(.invalidInput, "a key is named by 6 to 64 of its hexadecimal digits, not by \(digits)")
        }
        let found = try keys(beginningWith: digits)
        guard let key = found.first else { throw TesseraError(.notFound, "no record's key begins with \(digits)") }
        guard found.count == 1 else {
            throw TesseraError(.invalidInput, "several keys begin with \(digits); name more digits")
        }
        return key
    }
}
