/// A batch's body without its zeros. Records of 128 bytes are zeros for the most part, and every
/// byte costs a database three times: in its log, in its table, and on the way there.
///
/// The body in groups of 64 bytes, the last one filled up with zeros: for each a byte whose bit i
/// says that its word i, the 8 bytes at 8 i, is not zero, and then those words.
enum PackedBody {
    private static let group = 64
    private static let word = 8

    /// The packed form of a body, or `nil` if that is not smaller by an eighth. O(bytes).
    static func pack(_ body: [UInt8]) -> [UInt8]? {
        let groups = (body.count + group - 1) / group
        // One word more: each is written before it is known whether it stays.
        let packed = unsafe [UInt8](
            unsafeUninitializedCapacity: groups * (group + 1) + word
        ) { target, count in
            unsafe body.withUnsafeBytes { source in
                let target = UnsafeMutableRawBufferPointer(target)
                let whole = body.count / group
                for place in 0..<whole {
                    unsafe packGroup(source, at: place * group, into: target, &count)
                }
                if whole == groups { return }
                var last = [UInt8](repeating: 0, count: group)
                last.replaceSubrange(
                    0..<(body.count - whole * group), with: body[(whole * group)...])
                unsafe last.withUnsafeBytes { unsafe packGroup($0, at: 0, into: target, &count) }
            }
        }
        return packed.count <= body.count - body.count / 8 ? packed : nil
    }

    @inline(__always)
    private static func packGroup(
        _ source: UnsafeRawBufferPointer, at start: Int, into target: UnsafeMutableRawBufferPointer,
        _ count: inout Int
    ) {
        let maskPlace = count
        var end = count + 1
        var mask: UInt8 = 0
        for place in 0..<8 {
            let value = unsafe source.loadUnaligned(
                fromByteOffset: start + place * word, as: UInt64.self)
            unsafe target.storeBytes(of: value, toByteOffset: end, as: UInt64.self)
            end += value == 0 ? 0 : word
            mask |= (value == 0 ? 0 : 1) << UInt8(place)
        }
        unsafe target.storeBytes(of: mask, toByteOffset: maskPlace, as: UInt8.self)
        count = end
    }

    /// The body of `size` bytes whose packed form this is, or `nil` if it is none's: too short or
    /// too long, or with something behind the body's end. O(size).
    static func unpack(_ packed: [UInt8], size: Int) -> [UInt8]? {
        guard size >= 0, size <= JournalLimits.bodyBytes else { return nil }
        let groups = (size + group - 1) / group
        guard packed.count >= groups else { return nil }
        var isWhole = true
        let body = unsafe [UInt8](
            unsafeUninitializedCapacity: groups * group
        ) { target, count in
            let target = UnsafeMutableRawBufferPointer(target)
            var read = 0
            unsafe packed.withUnsafeBytes { source in
                for place in 0..<groups {
                    guard read < source.count else { return isWhole = false }
                    let mask = unsafe source[read]
                    read += 1
                    guard read + mask.nonzeroBitCount * word <= source.count else {
                        return isWhole = false
                    }
                    for bit in 0..<8 {
                        var value: UInt64 = 0
                        if mask & (1 << UInt8(bit)) != 0 {
                            value = unsafe source.loadUnaligned(
                                fromByteOffset: read, as: UInt64.self)
                            read += word
                        }
                        unsafe target.storeBytes(
                            of: value, toByteOffset: place * group + bit * word, as: UInt64.self)
                    }
                }
            }
            guard isWhole, read == packed.count,
                unsafe target[size..<(groups * group)].allSatisfy({ $0 == 0 })
            else { return isWhole = false }
            count = size
        }
        return isWhole ? body : nil
    }
}
