// SPDX-License-Identifier: Apache-2.0

package import TesseraKV

#if canImport(Glibc)
internal import Glibc
#else
internal import Musl
#endif

/// Writes GGUF files, version 3, for tests and benchmarks.
///
/// Tensors are asked for piece by piece, so that a file may be larger than memory. The file appears under its name
/// only when it is whole.
package struct GGUFWriter {
    /// A tensor to be written.
    package struct Tensor {
        /// Fills the buffer with the tensor's bytes from `offset` on. Called in order; each piece holds whole blocks.
        package typealias Fill = (_ piece: UnsafeMutableRawBufferPointer, _ offset: Int) throws(TesseraError) -> Void

        let name: String
        let type: GGUFTensorType
        let shape: [Int]
        let fill: Fill

        /// Describes a tensor, the fastest index of its shape first.
        package init(name: String, type: GGUFTensorType, shape: [Int], fill: @escaping Fill) {
            self.name = name
            self.type = type
            self.shape = shape
            self.fill = fill
        }

        /// Describes a tensor whose bytes are at hand.
        package init(name: String, type: GGUFTensorType, shape: [Int], bytes: [UInt8]) {
            self.init(name: name, type: type, shape: shape) { piece, offset in
                piece.copyBytes(from: bytes[offset..<offset + piece.count])
            }
        }
    }

    private let path: String
    private let output: CInt
    private var pending: [UInt8] = []
    private var written = 0

    /// Writes a whole file, replacing one of the same name.
    ///
    /// - Parameters:
    ///   - path: Where the file shall appear.
    ///   - metadata: Values by name, written in the order of their names; `general.alignment` is honoured.
    ///   - tensors: Tensors in the order in which they shall be written.
    /// - Throws: ``TesseraError`` of code `invalidInput` for a shape that does not fit its type, `io` or `full` when
    ///   writing fails, or what a tensor's closure threw.
    package static func write(
        to path: String, metadata: [String: GGUFValue], tensors: [Tensor]
    ) throws(TesseraError) {
        let partial = "\(path).partial-\(getpid())"
        let output = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard output >= 0 else { throw TesseraError(.io, "can't create \(partial): \(systemMessage())") }
        defer { close(output) }
        do throws(TesseraError) {
            var writer = GGUFWriter(path: partial, output: output)
            try writer.writeAll(metadata, tensors)
            guard fsync(output) == 0, rename(partial, path) == 0 else { throw writer.failure() }
        } catch {
            unlink(partial)
            throw error
        }
    }

    private init(path: String, output: CInt) {
        self.path = path
        self.output = output
    }

    private mutating func writeAll(_ metadata: [String: GGUFValue], _ tensors: [Tensor]) throws(TesseraError) {
        let alignment = metadata["general.alignment"]?.integer ?? 32
        guard alignment > 0 else { throw TesseraError(.invalidInput, "an alignment of \(alignment)") }
        var sizes: [Int] = []
        for tensor in tensors {
            guard let size = tensor.type.byteCount(shape: tensor.shape) else {
                throw TesseraError(
                    .invalidInput, "tensor \(tensor.name) of shape \(tensor.shape) can't be of type \(tensor.type)")
            }
            sizes.append(size)
        }
        pending += "GGUF".utf8
        append(UInt32(3))
        append(UInt64(tensors.count))
        append(UInt64(metadata.count))
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            append(key)
            append(value.kind.rawValue)
            append(value)
        }
        var offset = 0
        for (tensor, size) in zip(tensors, sizes) {
            append(tensor, at: offset)
            offset += (size + alignment - 1) / alignment * alignment
        }
        for (tensor, size) in zip(tensors, sizes) {
            try pad(to: alignment)
            try stream(tensor, size)
        }
        try flush()
    }

    private mutating func stream(_ tensor: Tensor, _ size: Int) throws(TesseraError) {
        try flush()
        let blocks = max(1, (8 << 20) / tensor.type.blockBytes)
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(size, blocks * tensor.type.blockBytes), alignment: 64)
        defer { piece.deallocate() }
        var offset = 0
        while offset < size {
            let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(piece.count, size - offset)])
            try tensor.fill(part, offset)
            try emit(UnsafeRawBufferPointer(part))
            offset += part.count
        }
    }

    private mutating func pad(to alignment: Int) throws(TesseraError) {
        let end = written + pending.count
        pending += Array(repeating: 0, count: (alignment - end % alignment) % alignment)
    }

    private mutating func flush() throws(TesseraError) {
        let bytes = pending
        pending = []
        try bytes.withUnsafeBufferPointer { part throws(TesseraError) in try emit(UnsafeRawBufferPointer(part)) }
    }

    private mutating func emit(_ bytes: UnsafeRawBufferPointer) throws(TesseraError) {
        var done = 0
        while done < bytes.count {
            let count = pwrite(output, bytes.baseAddress.map { $0 + done }, bytes.count - done, written + done)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw failure() }
            done += count
        }
        written += bytes.count
    }

    private func failure() -> TesseraError {
        TesseraError(errno == ENOSPC ? .full : .io, "can't write \(path): \(systemMessage())")
    }

    // MARK: Values

    private mutating func append(_ number: some FixedWidthInteger) {
        withUnsafeBytes(of: number.littleEndian) { pending += $0 }
    }

    private mutating func append(_ text: String) {
        append(UInt64(text.utf8.count))
        pending += text.utf8
    }

    private mutating func append(_ value: GGUFValue) {
        switch value {
        case .uint8(let number): append(number)
        case .int8(let number): append(number)
        case .uint16(let number): append(number)
        case .int16(let number): append(number)
        case .uint32(let number): append(number)
        case .int32(let number): append(number)
        case .uint64(let number): append(number)
        case .int64(let number): append(number)
        case .float32(let number): append(number.bitPattern)
        case .float64(let number): append(number.bitPattern)
        case .bool(let truth): append(truth ? UInt8(1) : 0)
        case .string(let text): append(text)
        case .array(let elements):
            let kind = elements.first?.kind ?? .uint8
            precondition(elements.allSatisfy { $0.kind == kind }, "the elements of a list are of one type")
            append(kind.rawValue)
            append(UInt64(elements.count))
            for element in elements { append(element) }
        }
    }

    private mutating func append(_ tensor: Tensor, at offset: Int) {
        append(tensor.name)
        append(UInt32(tensor.shape.count))
        for extent in tensor.shape { append(UInt64(extent)) }
        append(tensor.type.code)
        append(UInt64(offset))
    }
}
