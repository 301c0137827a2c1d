import CKernels
import Synchronization

/// The key-value memory of one stage: pages of 64 positions, taken one by one as sessions grow and
/// shared between sessions whose first positions are the same.
///
/// A session reserves what its capacity can need at most when it is made, so a job that was taken
/// on never runs out of room; the memory itself is taken when a position is run.
public final class KVPool: Sendable {
    /// How much of a pool is taken.
    public struct Usage: Hashable, Sendable {
        /// Pages that sessions may need at most.
        public var reserved = 0
        /// Pages in memory.
        public var pages = 0

        /// So much; nothing if not said.
        public init(reserved: Int = 0, pages: Int = 0) {
            self.reserved = reserved
            self.pages = pages
        }
    }

    /// Positions of a page.
    public static let pagePositions = Int(XK_PAGE)

    /// Bytes of a page.
    public let pageBytes: Int
    /// The most pages that sessions may reserve.
    public let pageLimit: Int
    private let state = Mutex(Usage())

    init(pageBytes: Int, byteLimit: Int) {
        self.pageBytes = pageBytes
        pageLimit = max(byteLimit / pageBytes, 1)
    }

    /// What is taken now.
    public var usage: Usage { state.withLock { $0 } }

    /// Half of the machine's memory.
    public static var defaultByteLimit: Int { Int(clamping: xk_memory_bytes() / 2) }

    static func pages(for positions: Int) -> Int {
        (positions + pagePositions - 1) / pagePositions
    }

    /// Promises `count` pages; the caller releases them.
    func reserve(_ count: Int) throws(EngineError) {
        try state.withLock { (state) throws(EngineError) in
            guard count <= pageLimit - state.reserved else {
                throw .poolExhausted(pages: pageLimit, reserved: state.reserved, needed: count)
            }
            state.reserved += count
        }
    }

    func release(_ count: Int) {
        state.withLock { $0.reserved -= count }
    }

    func makePage(of stage: Stage) throws(EngineError) -> KVPage {
        guard let memory = unsafe xk_page_create(stage.handle) else { throw .outOfMemory }
        state.withLock { $0.pages += 1 }
        return unsafe KVPage(memory, in: self)
    }

    /// A page with the same content, which its owner may change.
    func copy(_ page: KVPage, of stage: Stage) throws(EngineError) -> KVPage {
        let copy = try makePage(of: stage)
        unsafe copy.memory.update(
            from: page.memory, count: pageBytes / MemoryLayout<UInt16>.size)
        return copy
    }

    fileprivate func pageWasFreed() {
        state.withLock { $0.pages -= 1 }
    }
}

/// The keys and values of 64 positions in all layers of a stage. Whoever holds a page may read it;
/// only a session that holds it alone may write.
@safe
final class KVPage: @unchecked Sendable {
    let memory: UnsafeMutablePointer<UInt16>
    private let pool: KVPool

    fileprivate init(_ memory: UnsafeMutablePointer<UInt16>, in pool: KVPool) {
        unsafe self.memory = unsafe memory
        self.pool = pool
    }

    deinit {
        unsafe xk_page_destroy(memory)
        pool.pageWasFreed()
    }
}
