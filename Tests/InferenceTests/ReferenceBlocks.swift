import Foundation
import Inference

/// The number formats written the obvious way, one number after the other in double precision.
enum ReferenceBlocks {
    /// The numbers of one block of the file.
    static func unpack(_ slice: ArraySlice<UInt8>, _ type: TensorType) -> [Double] {
        let block = Array(slice)
        func half(_ at: Int) -> Double {
            Double(Float16(bitPattern: UInt16(block[at]) | UInt16(block[at + 1]) << 8))
        }
        func nibble(_ start: Int, _ i: Int) -> Double {
            Double(i < 16 ? block[start + i] % 16 : block[start + i - 16] / 16)
        }
        switch type {
        case .f32:
            let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(block[$1]) << UInt32(8 * $1) }
            return [Double(Float(bitPattern: bits))]
        case .f16: return [half(0)]
        case .bf16:
            let bits = UInt32(block[0]) << 16 | UInt32(block[1]) << 24
            return [Double(Float(bitPattern: bits))]
        case .q8_0:
            return block[2...].map { half(0) * Double(Int8(bitPattern: $0)) }
        case .q4_0:
            return (0..<32).map { half(0) * (nibble(2, $0) - 8) }
        case .q4_1:
            return (0..<32).map { half(0) * nibble(4, $0) + half(2) }
        case .q5_0:
            return (0..<32).map { i in
                let top = block[2 + i / 8] & (1 << (i % 8)) == 0 ? 0.0 : 16
                return half(0) * (nibble(6, i) + top - 16)
            }
        case .q4_K:
            return (0..<256).map { i in
                let (scale, minimum) = scales(of: i / 32, Array(block[4..<16]))
                let byte = block[16 + i / 64 * 32 + i % 32]
                let number = Double(i / 32 % 2 == 0 ? byte % 16 : byte / 16)
                return half(0) * scale * number - half(2) * minimum
            }
        case .q6_K:
            return (0..<256).map { i in
                let (big, row, column) = (i / 128, i / 32 % 4, i % 32)
                let byte = block[64 * big + 32 * (row % 2) + column]
                let low = row < 2 ? byte % 16 : byte / 16
                let top = block[128 + 32 * big + column] >> (2 * row) & 3
                let scale = Double(Int8(bitPattern: block[192 + i / 16]))
                return half(208) * scale * (Double(low) + 16 * Double(top) - 32)
            }
        }
    }

    /// Scale and minimum of a block of 32 in Q4_K: twelve bytes hold eight of each, six bits wide.
    /// The first four scales, then the first four minima, are the low six bits of a byte each; of
    /// the others four bits lie in the last four bytes and two at the top of those.
    private static func scales(of part: Int, _ packed: [UInt8]) -> (Double, Double) {
        if part < 4 { return (Double(packed[part] % 64), Double(packed[part + 4] % 64)) }
        let (scaleTop, minimumTop) = (packed[part - 4] / 64, packed[part] / 64)
        return (
            Double(packed[part + 4] % 16 + 16 * scaleTop),
            Double(packed[part + 4] / 16 + 16 * minimumTop)
        )
    }
}
