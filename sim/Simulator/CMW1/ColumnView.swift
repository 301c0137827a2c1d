/// Some memory of a `CMW1Columns`, seen as a list: reading and writing cost what they cost in C.
///
/// Valid as long as its owner lives. A place that does not exist is a defect, which builds for
/// debugging find.
@safe
struct ColumnView<Element: BitwiseCopyable> {
    let count: Int
    private let base: UnsafeMutablePointer<Element>

    /// The memory at `base`, which the owner has set to something.
    init(_ base: UnsafeMutablePointer<Element>, count: Int) {
        unsafe self.base = base
        self.count = count
    }

    @inline(__always)
    subscript(place: Int) -> Element {
        get {
            assert(place >= 0 && place < count)
            return unsafe base[place]
        }
        nonmutating set {
            assert(place >= 0 && place < count)
            unsafe base[place] = newValue
        }
    }

    /// Sets every place.
    func fill(_ value: Element) { unsafe base.update(repeating: value, count: count) }
}
