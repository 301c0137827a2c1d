import CKernels
import Foundation
import Inference
import KernelGolden
import Primitives
import Testing

/// Every number format on every path: golden hashes, the definition in double precision, extremes.
@Suite struct KernelTests {
    /// The paths that this machine has.
    private static let paths = KernelPath.allCases.filter { path in
        var item = golden_case_at(0)
        return unsafe golden_multiply_hash(&item, path.rawValue) != 0
    }

    /// What `xk_multiply` does.
    private func multiply(
        _ bytes: [UInt8], _ type: TensorType, columns: Int, x: [Float], path: KernelPath = .scalar
    ) -> (status: Int32, y: [Float]) {
        let rows = bytes.count / type.blockBytes * type.blockCount / columns
        let count = x.count / columns
        var y = [Float](repeating: 0, count: rows * count)
        let status = unsafe bytes.withUnsafeBytes { data in
            unsafe y.withUnsafeMutableBufferPointer { y in
                var tensor = unsafe xk_tensor(
                    data: data.baseAddress, type: Int32(type.rawValue), rows: Int32(rows),
                    columns: Int32(columns))
                return unsafe xk_multiply(
                    &tensor, x, Int32(count), path.rawValue, y.baseAddress)
            }
        }
        return (status, y)
    }

    private func bytes(_ type: TensorType, blocks: Int, seed: UInt64) -> [UInt8] {
        var random = SyntheticModel(.f32, seed: seed)
        return random.blocks(type, count: blocks)
    }

    @Test func everyPathGivesTheGoldenHashes() throws {
        let lines = try ModelFixture.fixture("kernel-golden.txt").split(separator: "\n")
        var expected: [Substring: Substring] = [:]
        for line in lines {
            let words = line.split(separator: " ")
            expected[line.dropLast(words[words.count - 1].count + 1)] = words.last
        }
        #expect(expected.count == 94)
        #expect(Self.paths.contains(.scalar))
        for path in Self.paths {
            for index in 0..<golden_case_count() {
                var item = golden_case_at(index)
                var name = [CChar](repeating: 0, count: 64)
                unsafe golden_name(&item, &name)
                let text = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
                let found = unsafe golden_multiply_hash(&item, path.rawValue)
                if expected[text[...]] != hex(found) { Issue.record("\(text) on \(path)") }
            }
            for index in 0..<golden_type_count() {
                let type = golden_type_at(index)
                let name = unsafe String(cString: golden_type_name(type)) + " stage"
                for threads in [1, 3] as [Int32] {
                    let found = golden_stage_hash(type, path.rawValue, threads)
                    if expected[name[...]] != hex(found) { Issue.record("\(name) on \(path)") }
                }
            }
            for index in 0..<golden_family_count() {
                let name = unsafe String(cString: golden_family_name(index)) + " stage"
                for threads in [1, 3] as [Int32] {
                    let found = golden_family_hash(index, path.rawValue, threads)
                    if expected[name[...]] != hex(found) { Issue.record("\(name) on \(path)") }
                }
            }
        }
    }

    private func hex(_ value: UInt64) -> Substring {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count)[...] + digits
    }

    @Test func everyPathEqualsTheScalarOneOnRandomShapes() {
        var seen: [Int32: Int] = [:]
        for seed in 1...500 as ClosedRange<UInt64> {
            var item = golden_random_case(seed)
            seen[item.type, default: 0] += 1
            let expected = unsafe golden_multiply_hash(&item, KernelPath.scalar.rawValue)
            for path in Self.paths where path != .scalar {
                let found = unsafe golden_multiply_hash(&item, path.rawValue)
                if found != expected { Issue.record("\(item) on \(path)") }
            }
        }
        #expect(seen.count == TensorType.allCases.count && seen.values.allSatisfy { $0 > 20 })
    }

    /// What would notice a compiler that fuses: nearly every hash differs where fusing is allowed.
    @Test func theGoldenCasesAreSensitiveToFusedSums() {
        let path = KernelPath.unordered.rawValue
        var first = golden_case_at(0)
        guard unsafe golden_multiply_hash(&first, path) != 0 else { return }
        var differences: Set<Int32> = []
        for index in 0..<golden_case_count() {
            var item = golden_case_at(index)
            let ordered = unsafe golden_multiply_hash(&item, KernelPath.scalar.rawValue)
            if unsafe golden_multiply_hash(&item, path) != ordered { differences.insert(item.type) }
        }
        #expect(differences.count == TensorType.allCases.count)
    }

    @Test("Rows unpack to the nearest single", arguments: TensorType.allCases)
    func rows(type: TensorType) {
        let bytes = bytes(type, blocks: 512 / type.blockCount, seed: 3)
        var row = [Float](repeating: 0, count: 256)
        unsafe bytes.withUnsafeBytes { data in
            var tensor = unsafe xk_tensor(
                data: data.baseAddress, type: Int32(type.rawValue), rows: 2, columns: 256)
            unsafe xk_tensor_row(&tensor, 1, &row)
        }
        let exact = numbers(bytes, type)[256...]
        #expect(row == exact.map { Float($0) })
        #expect(Set(row).count > 10)
    }

    private func numbers(_ bytes: [UInt8], _ type: TensorType) -> [Double] {
        stride(from: 0, to: bytes.count, by: type.blockBytes).flatMap {
            ReferenceBlocks.unpack(bytes[$0..<$0 + type.blockBytes], type)
        }
    }

    /// The activations as the contract rounds them, in double precision.
    private func quantised(_ x: [Float]) -> [Double] {
        stride(from: 0, to: x.count, by: 32).flatMap { start in
            let block = x[start..<start + 32]
            let largest = block.map(abs).max() ?? 0
            return block.map { value in
                let number = (value * (127 / largest)).rounded(.toNearestOrEven)
                return Double(largest / 127) * Double(number)
            }
        }
    }

    @Test("Products are close to those in double precision", arguments: TensorType.allCases)
    func products(type: TensorType) {
        let (rows, columns) = (11, 768)
        let bytes = bytes(type, blocks: rows * columns / type.blockCount, seed: 4)
        let x = (0..<columns).map { Float(sin(Double($0) * 1.7) * (1 + Double($0 % 50))) }
        let inputs = type.blockCount == 1 ? x.map { Double($0) } : quantised(x)
        let weights = numbers(bytes, type)
        for path in Self.paths {
            let found = multiply(bytes, type, columns: columns, x: x, path: path)
            #expect(found.status == XK_OK)
            for row in 0..<rows {
                let terms = (0..<columns).map { weights[row * columns + $0] * inputs[$0] }
                let size = terms.reduce(0) { $0 + abs($1) }
                #expect(size > 1)
                #expect(abs(Double(found.y[row]) - terms.reduce(0, +)) < 1e-6 * size)
            }
        }
    }

    /// A product that is rounded before it is added gives another number than a fused one.
    @Test func productsAreRoundedBeforeTheyAreAdded() {
        let a: Float = 1 + 0x1p-12
        let sum: Float = -(1 + 0x1p-11)
        #expect(sum + a * a == 0 && sum.addingProduct(a, a) != 0)
        var writer = ByteWriter()
        for value in [sum, a] + [Float](repeating: 0, count: 30) { writer.write(value.bitPattern) }
        let x = [1, a] + [Float](repeating: 0, count: 30)
        for path in Self.paths {
            #expect(multiply(writer.bytes, .f32, columns: 32, x: x, path: path).y == [0])
        }
        // Two blocks with opposite scales: the first sum is rounded, so nothing is left.
        let ones: [UInt8] = [0x00, 0x3C] + (1...32).map { UInt8($0) }
        let opposite: [UInt8] = [0x00, 0xBC] + (1...32).map { UInt8($0) }
        let scale: Float = 1 + 0x1p-12
        let dot: Float = 127 * 528
        #expect((-(scale * dot)).addingProduct(scale, dot) != 0)
        let y = [Float](repeating: 127 * scale, count: 64)
        for path in Self.paths {
            let found = multiply(ones + opposite, .q8_0, columns: 64, x: y, path: path)
            #expect(found.y == [0])
        }
    }

    /// Where the halves of a block are.
    private func halves(_ type: TensorType) -> [Int] {
        switch type {
        case .f32, .bf16: []
        case .f16, .q4_0, .q5_0, .q8_0: [0]
        case .q4_1, .q4_K: [0, 2]
        case .q6_K: [208]
        }
    }

    @Test("A weight that is not finite is refused", arguments: TensorType.allCases)
    func notFinite(type: TensorType) {
        let x = [Float](repeating: 1, count: 256)
        let good = bytes(type, blocks: 256 / type.blockCount, seed: 5)
        #expect(multiply(good, type, columns: 256, x: x).status == XK_OK)
        let places = halves(type).isEmpty ? [type.blockBytes - 2] : halves(type)
        for place in places {
            for pattern in type == .bf16 || type == .f32 ? [0x7F80, 0xFFC0] : [0x7C00, 0xFE01] {
                var bad = good
                bad[bad.count - type.blockBytes + place] = UInt8(pattern & 255)
                bad[bad.count - type.blockBytes + place + 1] = UInt8(pattern >> 8)
                for path in Self.paths {
                    let found = multiply(bad, type, columns: 256, x: x, path: path)
                    #expect(found.status == XK_NOT_FINITE)
                }
            }
        }
        var input = x
        input[40] = .nan
        for path in Self.paths {
            #expect(multiply(good, type, columns: 256, x: input, path: path).status != XK_OK)
        }
    }

    @Test("The largest and smallest numbers give the same bytes", arguments: TensorType.allCases)
    func extremes(type: TensorType) {
        let patterns: [UInt8] = [0x00, 0x0F, 0x7F, 0x80, 0xF0, 0xFF]
        let scales: [UInt16] = [0x3C00, 0xBC00, 0x8000, 0x0001, 0x7BFF]
        for pattern in patterns {
            for scale in scales {
                let size = 512 / type.blockCount * type.blockBytes
                var bytes = [UInt8](repeating: pattern, count: size)
                for block in stride(from: 0, to: bytes.count, by: type.blockBytes) {
                    for place in halves(type) {
                        bytes[block + place] = UInt8(scale & 255)
                        bytes[block + place + 1] = UInt8(scale >> 8)
                    }
                }
                if type == .bf16 || type == .f32, pattern == 0x7F || pattern == 0xFF { continue }
                let x = (0..<512).map { Float($0 < 256 ? 1 : $0 % 2 == 0 ? 1 : -1) }
                let expected = multiply(bytes, type, columns: 256, x: x)
                for path in Self.paths {
                    let found = multiply(bytes, type, columns: 256, x: x, path: path)
                    #expect(found.status == expected.status)
                    #expect(found.y.map(\.bitPattern) == expected.y.map(\.bitPattern))
                }
                // Sums start at +0, so a scale of -0 gives +0.
                if scale == 0x8000, !halves(type).isEmpty {
                    #expect(expected.y.allSatisfy { $0.bitPattern == 0 })
                }
            }
        }
    }
}
