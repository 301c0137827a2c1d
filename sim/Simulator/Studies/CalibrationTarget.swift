/// A series that a calibration is to come near to.
public struct CalibrationTarget: Hashable, Sendable {
    /// The metric that is compared.
    public var metric: Int
    /// Its values at steps from the first on, in units of its last place; `nil` where none is
    /// known.
    public var series: [Int64?]
    /// So many of the last known values are not fitted, only compared.
    public var heldOut: Int

    /// A target.
    public init(metric: Int, series: [Int64?], heldOut: Int) {
        self.metric = metric
        self.series = series
        self.heldOut = heldOut
    }
}
