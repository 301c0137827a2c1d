import CKernels

/// The read-only bytes of a model: a mapped file or a copy in memory, aligned to 64 bytes.
///
/// A file must not be shortened while it is mapped: reading a page that is gone ends the process.
@safe
final class ModelBytes: @unchecked Sendable {
    private let mapping: xk_mapping
    private let owned: UnsafeMutableRawPointer?
    /// The bytes; valid while this object lives.
    let raw: UnsafeRawBufferPointer

    /// Maps the file at `path`.
    init(path: String) throws(ModelError) {
        let mapping = unsafe xk_map_file(path)
        let error = unsafe mapping.error
        if error != 0 { throw ModelError(.cannotOpen, "\(path): system error \(error)") }
        unsafe self.mapping = mapping
        unsafe self.owned = nil
        unsafe self.raw = UnsafeRawBufferPointer(start: mapping.bytes, count: mapping.count)
    }

    /// Copies `bytes`.
    init(bytes: [UInt8]) {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: max(bytes.count, 1), alignment: 64)
        unsafe memory.copyMemory(from: bytes, byteCount: bytes.count)
        unsafe self.mapping = xk_mapping()
        unsafe self.owned = memory
        unsafe self.raw = UnsafeRawBufferPointer(start: memory, count: bytes.count)
    }

    deinit {
        if let owned = unsafe owned { unsafe owned.deallocate() }
        unsafe xk_unmap(mapping)
    }

    /// How many bytes.
    var count: Int { unsafe raw.count }

    /// The bytes from `offset` on; the caller has checked the bounds.
    func slice(_ offset: Int, _ count: Int) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(rebasing: raw[offset..<offset + count])
    }
}
