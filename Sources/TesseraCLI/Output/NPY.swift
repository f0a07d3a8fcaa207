// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A NumPy file of fp32 numbers with two axes (format 1.0, C order), as `numpy.load` reads it.
func npy(_ values: [Float], rows: Int, columns: Int) -> Data {
    precondition(values.count == rows * columns, "rows and columns that fit the values")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    // Magic, version and length take ten bytes; the data begins at a multiple of 64 behind a line break.
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
    withUnsafeBytes(of: UInt16(header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
    data.append(contentsOf: header.utf8)
    values.map(\.bitPattern.littleEndian).withUnsafeBytes { data.append(contentsOf: $0) }
    return data
}
