#if _endian(big)
    #error("numbers are hashed as they lie in memory, which must be little endian")
#endif

extension [Float] {
    /// The numbers of F32 little endian; what is left of the last four bytes is dropped.
    init(littleEndian bytes: ArraySlice<UInt8>) {
        self = unsafe bytes.withUnsafeBytes { raw in
            (0..<raw.count / 4).map {
                unsafe raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self)
            }
        }
    }

    /// F32 little endian.
    var littleEndianBytes: [UInt8] { self[...].littleEndianBytes }
}

extension ArraySlice<Float> {
    /// F32 little endian.
    var littleEndianBytes: [UInt8] { unsafe withUnsafeBytes { unsafe Array($0) } }
}
