import Inference
import Planning
import Primitives
import Synchronization

/// The layers that a machine of a private cluster holds: those it was started with, or whichever
/// the head asks for.
final class ClusterEngine: Sendable {
    /// Makes the part that computes from a stage.
    typealias Make = @Sendable (Stage) -> RingStage

    private let model: ModelFile
    private let threads: Int
    /// Whether the layers are those it was started with.
    private let isFixed: Bool
    private let make: Make
    private let current: Mutex<RingStage?>
    private let gauged = Mutex<SplitMachine?>(nil)
    private let thread = EngineThread("stages")

    init(fixed stage: Stage, make: @escaping Make) {
        model = stage.model
        threads = stage.threads
        isFixed = true
        self.make = make
        current = Mutex(make(stage))
    }

    init(model: ModelFile, threads: Int, make: @escaping Make) {
        self.model = model
        self.threads = threads
        isFixed = false
        self.make = make
        current = Mutex(nil)
    }

    /// What computes; `nil` before any layers are prepared.
    var ring: RingStage? { current.withLock { $0 } }

    /// What computes; throws before any layers are prepared.
    func prepared() throws(RingFault) -> RingStage {
        guard let ring else { throw RingFault(.wrongLayers, "no layers are prepared here yet") }
        return ring
    }

    /// Takes over other layers, unless requests run on those there are.
    func prepare(_ layers: LayerRange) async throws(RingFault) {
        if let ring, ring.stage.layers == layers { return }
        guard !isFixed else {
            throw RingFault(.wrongLayers, "this machine was started for its layers only")
        }
        try checkIsIdle()
        let (model, threads) = (model, threads)
        let made = await thread.run { () -> Result<Stage, ModelError> in
            Result { () throws(ModelError) in
                try Stage(model: model, layers: layers, threads: threads)
            }
        }
        let stage: Stage
        do throws(ModelError) {
            stage = try made.get()
        } catch {
            throw RingFault(.engineFailed, "\(layers) cannot be prepared: \(error)")
        }
        try checkIsIdle()
        let ring = make(stage)
        current.withLock { $0 = ring }
    }

    private func checkIsIdle() throws(RingFault) {
        if let ring, ring.count > 0 {
            throw RingFault(.busy, "requests run on the layers that are prepared here")
        }
    }

    /// How fast this machine is, found out once, and what memory it has now.
    func machine() async throws(RingFault) -> SplitMachine {
        if var known = gauged.withLock({ $0 }) {
            known.freeBytes = freeBytes
            return known
        }
        try checkIsIdle()
        let (model, threads) = (model, threads)
        let found = await thread.run { () -> Result<SplitMachine, RingFault> in
            Result { () throws(RingFault) in try StageGauge.machine(model, threads: threads) }
        }
        var machine = try found.get()
        gauged.withLock { $0 = machine }
        machine.freeBytes = freeBytes
        return machine
    }

    /// What is free, and what the layers that are prepared would give back.
    private var freeBytes: UInt64 {
        let held = ring.map { ring in
            let request = SplitRequest(model, promptTokens: 1, maxTokens: 1)
            return UInt64(ring.stage.layers.count) * request.layerBytes
        }
        return StageGauge.freeMemory() + (held ?? 0)
    }
}
