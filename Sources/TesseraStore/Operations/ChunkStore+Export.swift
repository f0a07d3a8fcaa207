// SPDX-License-Identifier: Apache-2.0

package import Foundation
package import TesseraKV

extension ChunkStore {
    /// Writes a record to a folder as a file `KEY.safetensors`, which Python's `safetensors` reads. Compressed layers are
    /// unpacked; those of an encrypted store are open.
    ///
    /// - Returns: The file; nil for a record that is damaged, which is taken out, or was removed.
    package func export(_ key: ChunkKey, to folder: URL) throws(TesseraError) -> URL? {
        guard let chunk = try record(key), let loaded = try load(chunk) else { return nil }
        let plain = loaded.unpacked(try session().memory)
        let layers = chunk.header.layers.indices.map { layer in plain.withLayer(layer) { [UInt8]($0) } }
        var (behind, statistics): ([ChunkKey], [UInt8]) = ([], [])
        if let owner = chunk.header.variantOwner {
            let known = try session().database.withValue(StoreKey.variant(key, of: owner)) {
                (bytes) throws(TesseraError) in try VariantRecord(bytes, for: key, of: owner)
            }
            (behind, statistics) = (known?.behind ?? [], known?.statistics ?? [])
        }
        let file = folder.appendingPathComponent("\(key).safetensors")
        do {
            let data = try ChunkFile.data(
                of: chunk, codec: plain.codec, layers: layers, behind: behind, statistics: statistics)
            try data.write(to: file, options: .atomic)
        } catch {
            throw TesseraError(.io, "couldn't write \(file.path): \(error.localizedDescription)")
        }
        return file
    }

    /// Takes in the record of such a file, if everything about it is as it should be.
    ///
    /// - Throws: `corrupt` naming the file and what is wrong with it; `full` as ``put(_:sparing:)``.
    package func importChunk(_ file: URL) throws(TesseraError) -> (key: ChunkKey, outcome: PutOutcome) {
        var status = stat()
        guard stat(file.path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
            throw TesseraError(.invalidInput, "\(file.path) is no file to take in")
        }
        let data: Data
        do { data = try Data(contentsOf: file) } catch {
            throw TesseraError(.io, "couldn't read \(file.path): \(error.localizedDescription)")
        }
        let record: ChunkRecord
        do { record = try ChunkFile.record(data) } catch {
            throw TesseraError(error.code, "\(file.path) was not taken in: \(error.message)")
        }
        return (record.key, try put(record))
    }
}
