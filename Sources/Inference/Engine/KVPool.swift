import CKernels
import Primitives
import Synchronization

/// The key-value memory of one stage: pages of 64 positions, taken one by one as sessions grow and
/// shared between sessions that begin alike.
///
/// A session reserves what its capacity can need at most when it is made, so a job that was taken
/// on never runs out of room; the memory itself is taken when a position is run. Pages that are
/// kept for sessions to come fill what the limit leaves, and go first.
public final class KVPool: Sendable {
    /// How much of a pool is taken.
    public struct Usage: Hashable, Sendable {
        /// Pages that sessions may need at most.
        public var reserved = 0
        /// Pages in memory. Not above the limit, except for pages that are being copied.
        public var pages = 0
        /// How many of those are kept for sessions that begin alike, in use or not.
        public var kept = 0

        /// So much; nothing if not said.
        public init(reserved: Int = 0, pages: Int = 0, kept: Int = 0) {
            self.reserved = reserved
            self.pages = pages
            self.kept = kept
        }
    }

    private struct State {
        var usage = Usage()
        var prefixes = PrefixIndex()
        var sharedPositions = 0
    }

    /// Positions of a page.
    public static let pagePositions = Int(XK_PAGE)

    /// Bytes of a page.
    public let pageBytes: Int
    /// The most pages that sessions may reserve.
    public let pageLimit: Int
    private let state = Mutex(State())

    init(pageBytes: Int, byteLimit: Int) {
        self.pageBytes = pageBytes
        pageLimit = max(byteLimit / pageBytes, 1)
    }

    /// What is taken now.
    public var usage: Usage {
        state.withLock { state in
            var usage = state.usage
            usage.kept = state.prefixes.count
            return usage
        }
    }

    /// How many positions were not run since a kept page held them.
    public var sharedPositions: Int { state.withLock { $0.sharedPositions } }

    /// Half of the machine's memory.
    public static var defaultByteLimit: Int { Int(clamping: xk_memory_bytes() / 2) }

    /// Frees the kept pages that no session uses.
    public func clear() {
        let idle = state.withLock { $0.prefixes.evict(.max) }
        withExtendedLifetime(idle) {}
    }

    static func pages(for positions: Int) -> Int {
        (positions + pagePositions - 1) / pagePositions
    }

    /// Promises `count` pages; the caller releases them.
    func reserve(_ count: Int) throws(EngineError) {
        try state.withLock { (state) throws(EngineError) in
            guard count <= pageLimit - state.usage.reserved else {
                throw .poolExhausted(
                    pages: pageLimit, reserved: state.usage.reserved, needed: count)
            }
            state.usage.reserved += count
        }
    }

    func release(_ count: Int) {
        state.withLock { $0.usage.reserved -= count }
    }

    func makePage(of stage: Stage) throws(EngineError) -> KVPage {
        // A page that is freed takes the lock itself, so what goes is let go of outside.
        let evicted = state.withLock { state in
            state.usage.pages += 1
            return state.prefixes.evict(state.usage.pages - pageLimit)
        }
        withExtendedLifetime(evicted) {}
        guard let memory = unsafe xk_page_create(stage.handle) else {
            pageWasFreed()
            throw .outOfMemory
        }
        return unsafe KVPage(memory, in: self)
    }

    /// A page with the same content, which its owner may change.
    func copy(_ page: KVPage, of stage: Stage) throws(EngineError) -> KVPage {
        let copy = try makePage(of: stage)
        unsafe copy.memory.update(
            from: page.memory, count: pageBytes / MemoryLayout<UInt16>.size)
        copy.outputs = page.outputs
        return copy
    }

    /// The kept page that goes on from `parent` like `links`; see `PrefixIndex.find`.
    func find(_ links: ArraySlice<Digest>, after parent: Digest, depth: Int) -> KVPage? {
        state.withLock { $0.prefixes.find(links, after: parent, depth: depth) }
    }

    /// A session moved over `positions` that kept pages hold.
    func share(_ positions: Int) {
        if positions > 0 { state.withLock { $0.sharedPositions += positions } }
    }

    func keep(_ page: KVPage, after parent: Digest, depth: Int) {
        state.withLock { $0.prefixes.keep(page, after: parent, depth: depth) }
    }

    fileprivate func pageWasFreed() {
        state.withLock { $0.usage.pages -= 1 }
    }
}

/// The keys and values of 64 positions in all layers of a stage. Whoever holds a page may read it;
/// only a session that holds it alone may write. All but the count of holders is touched in the
/// stage's turn only.
@safe
final class KVPage: @unchecked Sendable {
    let memory: UnsafeMutablePointer<UInt16>
    /// What the stage gave for the page's positions, so that who shares the page need not run them;
    /// empty where pages are not shared.
    var outputs: [Float] = []
    /// The links of the page's positions once it is full and kept; of no position before.
    var links: [Digest] = []
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
