/// The owner's notes, which records carry and filters ask for.
protocol Noted {
    var userData128: UInt128 { get }
    var userData64: UInt64 { get }
    var userData32: UInt32 { get }
    var code: UInt16 { get }
}

extension Noted {
    /// Whether a record has all the notes of this filter, where a zero stands for any.
    @inline(__always)
    func accepts(_ record: some Noted) -> Bool {
        (userData128 == 0 || record.userData128 == userData128)
            && (userData64 == 0 || record.userData64 == userData64)
            && (userData32 == 0 || record.userData32 == userData32)
            && (code == 0 || record.code == code)
    }
}

extension Account: Noted {}
extension Transfer: Noted {}
extension AccountFilter: Noted {}
extension QueryFilter: Noted {}
