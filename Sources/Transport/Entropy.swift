public import Cryptography

/// Randomness for keys and nonces, from the operating system. The floor below takes it as an
/// argument.
public enum Entropy {
    /// `count` unpredictable bytes that are never anywhere else.
    public static func secret(_ count: Int) -> Secret {
        unsafe Secret(count: count) { bytes in
            var system = SystemRandomNumberGenerator()
            for place in 0..<count {
                unsafe bytes[place] = UInt8.random(in: .min ... .max, using: &system)
            }
        }
    }

    /// `count` unpredictable bytes (getrandom). Slow by design of the source: about a microsecond
    /// for eight bytes.
    public static func bytes(_ count: Int) -> [UInt8] {
        var system = SystemRandomNumberGenerator()
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count)
        while bytes.count < count {
            var word = system.next()
            for _ in 0..<min(8, count - bytes.count) {
                bytes.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return bytes
    }
}
