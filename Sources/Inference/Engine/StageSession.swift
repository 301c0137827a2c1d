import Synchronization

/// One conversation's memory in one stage: the keys and values of the positions it has seen, in
/// pages of the stage's pool.
///
/// Sessions of a stage are independent, whatever pages they share. Calls on sessions of one stage
/// wait for each other; `Stage.run` takes several together. An error leaves the position as it was.
@safe
public final class StageSession: @unchecked Sendable {
    /// The stage that computes.
    public let stage: Stage
    /// How many positions there is room for.
    public let capacity: Int
    private let reserved: Int
    private let reached = Atomic(0)
    /// Only touched in the stage's turn, as all below.
    private var pages: [KVPage] = []
    /// What came in; `nil` for a session that shares no pages with strangers.
    private var chain: PrefixChain?

    init(stage: Stage, capacity: Int, scope: PrefixScope?) throws(EngineError) {
        guard capacity >= 1, capacity <= stage.model.architecture.contextLength else {
            throw .tooManyPositions(
                capacity: stage.model.architecture.contextLength, needed: capacity)
        }
        // Before the stored properties: an object that is whole releases what it reserved.
        let reserved = KVPool.pages(for: capacity)
        try stage.memory.reserve(reserved)
        self.stage = stage
        self.capacity = capacity
        if let scope, stage.prefixSharing == .on { chain = PrefixChain(scope) }
        self.reserved = reserved
    }

    deinit {
        stage.memory.release(reserved)
    }

    /// How many positions have been run: where the next one goes.
    public var position: Int { reached.load(ordering: .acquiring) }

    /// Embeds `tokens` and runs them at the next positions. Only on the first stage.
    ///
    /// - Returns: `hidden` floats per token: the input of the next stage, or on a stage that is
    ///   also the last what `Stage.logits` takes.
    public func run(tokens: [Int32]) throws(EngineError) -> [Float] {
        try stage.run([StageWork(self, .tokens(tokens))])[0].get()
    }

    /// Runs `count` rows of the previous stage's output at the next positions. Not on the first
    /// stage, which takes tokens.
    ///
    /// - Returns: `hidden` floats per row, as `run(tokens:)`.
    public func run(activations: [Float], count: Int) throws(EngineError) -> [Float] {
        if !stage.isFirst {
            if count < 1 { throw .emptyInput }
            if count > capacity { throw .tooManyPositions(capacity: capacity, needed: count) }
            let hidden = stage.model.architecture.hidden
            guard activations.count == count * hidden else {
                throw .wrongActivationCount(expected: count * hidden, found: activations.count)
            }
        }
        return try stage.run([StageWork(self, .activations(activations))])[0].get()
    }

    /// The logits of each row; see `Stage.logits`.
    public func logits(of activations: [Float]) throws(EngineError) -> [Float] {
        try stage.logits(of: activations)
    }

    /// The logits of the last row.
    public func lastLogits(of activations: [Float]) throws(EngineError) -> [Float] {
        try stage.lastLogits(of: activations)
    }

    /// Forgets every position from `position` on and frees its pages; what comes next is as if they
    /// had never been.
    public func truncate(to position: Int) throws(EngineError) {
        try stage.turn.withLock { (_) throws(EngineError) in
            guard position >= 0, position <= self.position else {
                throw .positionOutOfRange(position)
            }
            cut(to: position)
        }
    }

    /// Another session that has seen the same positions, for another continuation. Copies nothing:
    /// both share their pages, and who writes first into one copies that page.
    ///
    /// - Parameter capacity: room of the new session; that of this one if not given.
    public func fork(capacity: Int? = nil) throws(EngineError) -> StageSession {
        let other = try StageSession(
            stage: stage, capacity: capacity ?? self.capacity, scope: nil)
        try stage.turn.withLock { (_) throws(EngineError) in
            guard position <= other.capacity else {
                throw .tooManyPositions(capacity: other.capacity, needed: position)
            }
            other.pages = pages
            other.chain = chain
            other.cut(to: position)
        }
        return other
    }

    // MARK: In the stage's turn

    func checkRoom(for count: Int) throws(EngineError) {
        guard count <= capacity - position else {
            throw .tooManyPositions(capacity: capacity, needed: position + count)
        }
    }

    /// Moves on over the first positions of `input` that a kept page holds already, and returns
    /// what the stage gave for them.
    func adopt(_ input: PassInput) -> [Float] {
        let hidden = stage.model.architecture.hidden
        chain?.append(input, rowWidth: hidden)
        guard let chain else { return [] }
        var outputs: [Float] = []
        var position = position
        while position < chain.links.count {
            let (depth, row) = position.quotientAndRemainder(dividingBy: KVPool.pagePositions)
            if depth < pages.count, pages[depth].links.isEmpty { break }
            if depth == pages.count || pages[depth].links[row] != chain.links[position] {
                // Another page may go on as this session does.
                let begin = position - row
                let found = stage.memory.find(
                    chain.links[begin...], after: chain.link(before: begin), depth: depth)
                guard let found, found.links[row] == chain.links[position] else { break }
                pages.removeLast(pages.count - depth)
                pages.append(found)
            }
            let page = pages[depth]
            outputs += page.outputs[row * hidden..<(row + 1) * hidden]
            position += 1
        }
        stage.memory.share(position - self.position)
        reached.store(position, ordering: .releasing)
        return outputs
    }

    /// Takes the pages for `count` more positions, none of them shared; returns all pages.
    func makeRoom(for count: Int) throws(EngineError) -> [KVPage] {
        if count == 0 { return pages }
        let first = position / KVPool.pagePositions
        if first < pages.count {
            if !isKnownUniquelyReferenced(&pages[first]) {
                pages[first] = try stage.memory.copy(pages[first], of: stage)
            }
            // What is written now is not what the links stand for.
            pages[first].links = []
        }
        while pages.count < KVPool.pages(for: position + count) {
            pages.append(try stage.memory.makePage(of: stage))
        }
        return pages
    }

    /// The next `count` positions have been run and gave `outputs`.
    func advance(by count: Int, outputs: ArraySlice<Float>) {
        let first = position
        reached.store(first + count, ordering: .releasing)
        guard let chain else { return }
        let (size, hidden) = (KVPool.pagePositions, stage.model.architecture.hidden)
        for position in first..<first + count {
            let (depth, row) = position.quotientAndRemainder(dividingBy: size)
            let page = pages[depth]
            if page.outputs.isEmpty {
                page.outputs = [Float](repeating: 0, count: size * hidden)
            }
            let start = outputs.startIndex + (position - first) * hidden
            page.outputs.replaceSubrange(
                row * hidden..<(row + 1) * hidden, with: outputs[start..<start + hidden])
            guard row == size - 1 else { continue }
            let begin = position - row
            page.links = Array(chain.links[begin...position])
            stage.memory.keep(page, after: chain.link(before: begin), depth: depth)
        }
    }

    /// Forgets every position from `position` on.
    func cut(to position: Int) {
        reached.store(position, ordering: .releasing)
        pages.removeLast(pages.count - KVPool.pages(for: position))
        chain?.cut(to: position)
    }
}
