/// Layers that see only the last positions, between layers that see all.
public struct SlidingWindow: Hashable, Sendable {
    /// How many positions a row sees, its own included.
    public var size: Int
    /// The last layer of each `period` sees all positions; 0 if no layer does.
    public var period: Int
    /// The base of the rotation frequencies in layers with the window.
    public var ropeBase: Double

    /// A window with all its numbers.
    public init(size: Int, period: Int, ropeBase: Double) {
        self.size = size
        self.period = period
        self.ropeBase = ropeBase
    }

    /// Whether a layer has the window.
    public func holds(layer: Int) -> Bool { period == 0 || layer % period < period - 1 }
}

extension SlidingWindow {
    /// Reads the window of a file of `layers` layers; `nil` if it has none.
    ///
    /// The pattern is a period, by default 6, or a flag for each layer, which must be periodic.
    init?(_ file: GGUFFile, prefix: String, layers: Int) throws(ModelError) {
        let key = prefix + "attention.sliding_window"
        guard let value = file.value(key), value.count != 0 else { return nil }
        self.init(
            size: try file.count(key, limit: ModelArchitecture.Limit.context), period: 6,
            ropeBase: try file.float(prefix + "rope.freq_base_swa", or: 10_000))
        let pattern = key + "_pattern"
        switch file.value(pattern) {
        case nil: break
        case .integers(let flags)? where flags.count == layers:
            let window = self
            let found = (0...layers).first { period in
                var window = window
                window.period = period
                return flags.indices.allSatisfy { window.holds(layer: $0) == (flags[$0] != 0) }
            }
            guard let found else { throw ModelError(.unsupportedFeature, pattern) }
            period = found
        case let value? where value.count == 0: period = 0
        default: period = try file.count(pattern, limit: ModelArchitecture.Limit.layers)
        }
    }
}
