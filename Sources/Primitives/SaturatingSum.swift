extension FixedWidthInteger where Self: UnsignedInteger {
    /// The sum, or the greatest number if it does not fit: what a stranger says is no reason to
    /// trap, and a limit is passed all the same.
    @inlinable public func saturatingSum(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
