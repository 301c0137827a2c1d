import Cryptography
import Primitives

extension DiskBuffer {
    /// Writes a digest's 32 bytes.
    func store(_ digest: Digest, at place: Int) {
        store(digest.words.0.byteSwapped, at: place)
        store(digest.words.1.byteSwapped, at: place + 8)
        store(digest.words.2.byteSwapped, at: place + 16)
        store(digest.words.3.byteSwapped, at: place + 24)
    }

    /// Reads a digest.
    func digest(at place: Int) -> Digest {
        Digest(
            words: (
                load(UInt64.self, at: place).byteSwapped,
                load(UInt64.self, at: place + 8).byteSwapped,
                load(UInt64.self, at: place + 16).byteSwapped,
                load(UInt64.self, at: place + 24).byteSwapped
            ))
    }

    /// SHA-256 of some bytes.
    func hash(_ range: Range<Int>) -> Digest {
        unsafe SHA256.hash(UnsafeRawBufferPointer(slice(range)))
    }
}
