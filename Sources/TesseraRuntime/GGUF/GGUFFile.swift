// SPDX-License-Identifier: Apache-2.0

public import TesseraKV

/// A model file in the GGUF format, version 2 or 3, little-endian.
///
/// The file is mapped, not read: opening costs as much as its header. Everything in the header is validated before it
/// is used. A model file should be replaced by renaming a new one over it; one that is cut short while it is in use
/// gives an error, or, if the cut falls into a computation, ends the process (SIGBUS).
public final class GGUFFile: Sendable {
    /// Where the file was opened.
    public let path: String
    /// All metadata values by their names.
    public let metadata: [String: GGUFValue]
    /// All tensors, in the order of the file.
    public let tensors: [GGUFTensor]

    private let mapping: FileMapping
    private let indices: [String: Int]

    /// Opens and validates a file.
    ///
    /// - Throws: ``TesseraError`` of code `notFound`, `io`, `invalidInput` (no regular file), `corrupt` (not a GGUF
    ///   file, or one whose contents contradict themselves) or `unsupported` (version, byte order, tensor type).
    public init(path: String) throws(TesseraError) {
        let mapping = try FileMapping(path: path)
        let header = try mapping.withBytes(0..<mapping.byteCount) { bytes throws(TesseraError) in
            try GGUFHeader(bytes, path: path)
        }
        self.path = path
        self.mapping = mapping
        metadata = header.metadata
        tensors = header.tensors
        indices = Dictionary(uniqueKeysWithValues: zip(header.tensors.map(\.name), header.tensors.indices))
    }

    /// The tensor of this name; nil where there is none.
    public func tensor(_ name: String) -> GGUFTensor? {
        indices[name].map { tensors[$0] }
    }

    /// Lends a tensor's bytes, as they are in the file.
    ///
    /// - Throws: what `body` throws, or ``TesseraError`` of code `corrupt` when the file was cut short.
    package func withBytes<R>(
        of tensor: GGUFTensor, _ body: (UnsafeRawBufferPointer) throws(TesseraError) -> R
    ) throws(TesseraError) -> R {
        try mapping.withBytes(tensor.byteRange, body)
    }

    /// Gives the memory that a tensor's bytes take back to the system; they can be lent again.
    package func release(_ tensor: GGUFTensor) {
        mapping.release(tensor.byteRange)
    }

    /// The digest of all tensors: their names, types, shapes and bytes.
    ///
    /// Tensors are taken in the order of their names, so that the order in the file does not matter. It reads the whole
    /// file, at one to two gigabytes per second from RAM: callers remember it.
    public func weightsDigest() throws(TesseraError) -> Digest256 {
        let piece = 1 << 26
        var digester = Digester()
        digester.add(tensors.count)
        for tensor in tensors.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
            digester.add(tensor.name)
            digester.add(tensor.type.code)
            digester.add(tensor.shape.count)
            for extent in tensor.shape { digester.add(extent) }
            for start in stride(from: tensor.byteRange.lowerBound, to: tensor.byteRange.upperBound, by: piece) {
                let range = start..<min(start + piece, tensor.byteRange.upperBound)
                try mapping.withBytes(range) { digester.add(bytes: $0) }
                mapping.release(range)
            }
        }
        return digester.digest()
    }
}
