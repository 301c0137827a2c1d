import CSodium

/// Secret bytes outside Swift's copying arrays: in memory of their own with guard pages, locked as
/// far as the system allows, left out of core dumps, and zeroed when the last owner lets go.
///
/// Nothing here has a description that shows a byte. What makes an array or a string of the bytes
/// is its caller's to forget.
@safe
public final class Secret: @unchecked Sendable {
    private let base: UnsafeMutableRawPointer
    /// How many bytes.
    public let count: Int

    /// `count` bytes as `fill` leaves them; they are zero before.
    public init(count: Int, filling fill: (UnsafeMutableRawBufferPointer) -> Void) {
        Sodium.start()
        guard let base = unsafe sodium_malloc(count) else {
            preconditionFailure("no memory for a secret")
        }
        unsafe sodium_memzero(base, count)
        unsafe fill(UnsafeMutableRawBufferPointer(start: base, count: count))
        unsafe sodium_mprotect_readonly(base)
        unsafe self.base = unsafe base
        self.count = count
    }

    /// Copies `bytes`. The caller's own copy is the caller's to forget.
    public convenience init(_ bytes: [UInt8]) {
        unsafe self.init(count: bytes.count) { unsafe $0.copyBytes(from: bytes) }
    }

    /// The bytes that `digits`, two hexadecimal digits each, with or without `0x`, stand for; `nil`
    /// if they do not.
    public convenience init?(hex digits: Secret) {
        guard digits.count.isMultiple(of: 2) else { return nil }
        let isPrefixed = unsafe digits.withBytes { text in
            unsafe digits.count >= 2 && text[0] == 0x30 && text[1] == 0x78
        }
        let start = isPrefixed ? 2 : 0
        var isHex = true
        unsafe self.init(count: (digits.count - start) / 2) { bytes in
            unsafe digits.withBytes { text in
                for place in start..<digits.count {
                    guard let value = Self.value(ofDigit: unsafe text[place]) else {
                        isHex = false
                        return
                    }
                    let target = (place - start) / 2
                    unsafe bytes[target] = unsafe bytes[target] << 4 | value
                }
            }
        }
        if !isHex { return nil }
    }

    deinit { unsafe sodium_free(base) }

    /// Lends the bytes for the length of one call.
    public func withBytes<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe body(UnsafePointer(base.assumingMemoryBound(to: UInt8.self)))
    }

    /// A part of the bytes.
    public subscript(range: Range<Int>) -> Secret {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "beyond the secret's end")
        return unsafe Secret(count: range.count) { part in
            unsafe withBytes { bytes in
                for place in 0..<range.count {
                    unsafe part[place] = unsafe bytes[range.lowerBound + place]
                }
            }
        }
    }

    /// A copy as an array, which nobody zeroes.
    public var bytes: [UInt8] {
        unsafe withBytes { unsafe Array(UnsafeBufferPointer(start: $0, count: count)) }
    }

    /// The bytes in two hexadecimal digits each, and a line's end.
    public var hexLine: Secret {
        unsafe Secret(count: 2 * count + 1) { text in
            unsafe withBytes { bytes in
                for place in 0..<count {
                    let byte = unsafe bytes[place]
                    unsafe text[2 * place] = Self.digit(of: byte >> 4)
                    unsafe text[2 * place + 1] = Self.digit(of: byte & 15)
                }
            }
            unsafe text[2 * count] = 10
        }
    }

    /// Whether two secrets are equal, in a time that depends on their counts only.
    public func equals(_ other: Secret) -> Bool {
        guard count == other.count else { return false }
        return unsafe withBytes { left in
            unsafe other.withBytes { unsafe sodium_memcmp(left, $0, count) == 0 }
        }
    }

    private static func value(ofDigit digit: UInt8) -> UInt8? {
        switch digit {
        case 0x30...0x39: digit - 0x30
        case 0x41...0x46: digit - 0x41 + 10
        case 0x61...0x66: digit - 0x61 + 10
        default: nil
        }
    }

    private static func digit(of value: UInt8) -> UInt8 {
        value < 10 ? 0x30 + value : 0x61 + value - 10
    }
}

extension Secret: CustomStringConvertible, CustomReflectable {
    /// Says how long it is, and nothing else.
    public var description: String { "a secret of \(count) bytes" }
    /// As `description`: what dumps values must not show secrets either.
    public var customMirror: Mirror { Mirror(self, children: ["count": count]) }
}
