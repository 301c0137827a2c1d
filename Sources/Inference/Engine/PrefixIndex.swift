import Cryptography
import Primitives

/// The links of a chain of hashes over what came into a session, from the scope on: one link for
/// each position, which stands for the position and all before it.
struct PrefixChain: Sendable {
    let root: Digest
    private(set) var links: [Digest] = []

    init(_ scope: PrefixScope) {
        root = scope.root
    }

    /// The link before position `position`.
    func link(before position: Int) -> Digest {
        position == 0 ? root : links[position - 1]
    }

    mutating func cut(to position: Int) {
        links.removeLast(links.count - position)
    }

    mutating func append(_ input: PassInput, rowWidth: Int) {
        switch input {
        case .tokens(let tokens):
            for token in tokens {
                var hasher = SHA256()
                hasher.update(link(before: links.count))
                hasher.update(UInt32(bitPattern: token))
                links.append(hasher.finish())
            }
        case .activations(let rows):
            for start in stride(from: 0, to: rows.count, by: rowWidth) {
                var hasher = SHA256()
                hasher.update(link(before: links.count))
                unsafe rows[start..<start + rowWidth].withUnsafeBytes { unsafe hasher.update($0) }
                links.append(hasher.finish())
            }
        }
    }
}

/// Full pages that are kept for sessions which begin alike, found by the link before their first
/// position. A page that nobody uses goes when the pool needs room, the least recently used first,
/// and of one beginning the last first.
struct PrefixIndex {
    private struct Entry {
        var page: KVPage
        let parent: Digest
        let depth: Int
        let serial: UInt64
        var used: UInt64

        /// What goes first is least.
        var order: (UInt64, Int, UInt64) { (used, -depth, serial) }
    }

    /// By the last link of the page.
    private var entries: [Digest: Entry] = [:]
    /// The last links of the pages that follow a link.
    private var children: [Digest: [Digest]] = [:]
    /// Ticks when a session begins.
    private var clock: UInt64 = 0
    private var serial: UInt64 = 0

    var count: Int { entries.count }

    /// The page at place `depth` of a session, after `parent`, that has the most of `links` as its
    /// first; `nil` if none has one. O(pages that follow `parent`).
    mutating func find(_ links: ArraySlice<Digest>, after parent: Digest, depth: Int) -> KVPage? {
        if depth == 0 { clock += 1 }
        var best: (last: Digest, length: Int)?
        for last in children[parent] ?? [] {
            guard let page = entries[last]?.page else { continue }
            let length = zip(links, page.links).prefix { $0 == $1 }.count
            if length > best?.length ?? 0 { best = (last, length) }
        }
        guard let best else { return nil }
        entries[best.last]?.used = clock
        return entries[best.last]?.page
    }

    /// Keeps a full page, unless one with the same content is kept.
    mutating func keep(_ page: KVPage, after parent: Digest, depth: Int) {
        guard let last = page.links.last, entries[last] == nil else { return }
        serial += 1
        entries[last] = Entry(
            page: page, parent: parent, depth: depth, serial: serial, used: clock)
        children[parent, default: []].append(last)
    }

    /// Takes out up to `count` pages that nobody else holds; the caller lets go of them, outside
    /// of the pool's lock. O(pages log pages).
    mutating func evict(_ count: Int) -> [KVPage] {
        if count <= 0 || entries.isEmpty { return [] }
        var idle: [(last: Digest, order: (UInt64, Int, UInt64))] = []
        var index = entries.startIndex
        while index != entries.endIndex {
            if isKnownUniquelyReferenced(&entries.values[index].page) {
                idle.append((entries.keys[index], entries.values[index].order))
            }
            entries.formIndex(after: &index)
        }
        idle.sort { $0.order < $1.order }
        return idle.prefix(count).compactMap { remove($0.last) }
    }

    private mutating func remove(_ last: Digest) -> KVPage? {
        guard let entry = entries.removeValue(forKey: last) else { return nil }
        children[entry.parent]?.removeAll { $0 == last }
        if children[entry.parent]?.isEmpty == true { children[entry.parent] = nil }
        return entry.page
    }
}
