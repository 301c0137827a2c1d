import CKernels
import Synchronization

/// One conversation's memory in one stage: the keys and values of the positions it has seen.
///
/// Sessions of a stage are independent. Calls on one session wait for each other. An error leaves
/// the position as it was.
@safe
public final class StageSession: @unchecked Sendable {
    /// The stage that computes.
    public let stage: Stage
    /// How many positions there is room for.
    public let capacity: Int
    private let cache: OpaquePointer
    private let state = Mutex(0)

    init(stage: Stage, capacity: Int) throws(EngineError) {
        guard capacity >= 1, capacity <= stage.model.architecture.contextLength else {
            throw .tooManyPositions(
                capacity: stage.model.architecture.contextLength, needed: capacity)
        }
        guard let cache = unsafe xk_cache_create(stage.handle, Int32(capacity)) else {
            throw .outOfMemory
        }
        self.stage = stage
        self.capacity = capacity
        unsafe self.cache = cache
    }

    deinit {
        unsafe xk_cache_destroy(cache)
    }

    /// How many positions have been run: where the next one goes.
    public var position: Int { state.withLock { $0 } }

    /// Embeds `tokens` and runs them at the next positions. Only on the first stage.
    ///
    /// - Returns: `hidden` floats per token: the input of the next stage, or on a stage that is
    ///   also the last what `Stage.logits` takes.
    public func run(tokens: [Int32]) throws(EngineError) -> [Float] {
        guard stage.isFirst else { throw .notFirstStage }
        if tokens.isEmpty { throw .emptyInput }
        return try advance(try stage.embed(tokens), count: tokens.count)
    }

    /// Runs `count` rows of the previous stage's output at the next positions. Not on the first
    /// stage, which takes tokens.
    ///
    /// - Returns: `hidden` floats per row, as `run(tokens:)`.
    public func run(activations: [Float], count: Int) throws(EngineError) -> [Float] {
        if stage.isFirst { throw .isFirstStage }
        let hidden = stage.model.architecture.hidden
        guard count >= 1, count <= capacity, activations.count == count * hidden else {
            if count < 1 { throw .emptyInput }
            if count > capacity { throw .tooManyPositions(capacity: capacity, needed: count) }
            throw .wrongActivationCount(expected: count * hidden, found: activations.count)
        }
        _ = try stage.rows(activations)
        return try advance(activations, count: count)
    }

    /// The logits of each row; see `Stage.logits`.
    public func logits(of activations: [Float]) throws(EngineError) -> [Float] {
        try stage.logits(of: activations)
    }

    /// The logits of the last row.
    public func lastLogits(of activations: [Float]) throws(EngineError) -> [Float] {
        try stage.lastLogits(of: activations)
    }

    /// Forgets every position from `position` on; what comes next is as if they had never been.
    public func truncate(to position: Int) throws(EngineError) {
        try state.withLock { (current) throws(EngineError) in
            guard position >= 0, position <= current else {
                throw .positionOutOfRange(position)
            }
            current = position
        }
    }

    private func advance(_ rows: [Float], count: Int) throws(EngineError) -> [Float] {
        try state.withLock { (position) throws(EngineError) -> [Float] in
            guard count <= capacity - position else {
                throw .tooManyPositions(capacity: capacity, needed: position + count)
            }
            var x = rows
            let status = unsafe x.withUnsafeMutableBufferPointer {
                unsafe xk_stage_run(
                    stage.handle, cache, $0.baseAddress, Int32(count), Int32(position))
            }
            if status != 0 { throw .resultNotFinite }
            position += count
            return x
        }
    }
}
