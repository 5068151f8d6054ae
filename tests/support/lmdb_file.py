"""Reads data.mdb of LMDB 0.9 (64-bit, little-endian): named databases, their keys and values in order.

The names are those of the structures in LMDB's mdb.c: MDB_page, MDB_node, MDB_db, MDB_meta. Sorted duplicates are not read."""
import struct

BRANCH, LEAF, OVERFLOW, META = 1, 2, 4, 8  # mp_flags
BIGDATA, SUBDATA, DUPDATA = 1, 2, 4        # mn_flags
DUPSORT = 4                                # md_flags
HEADER = 16                                # of a page: mp_pgno, mp_pad, mp_flags, mp_lower and mp_upper or mp_pages
DB = struct.Struct("<IHHQQQQQ")            # md_pad, md_flags, md_depth, branch, leaf, overflow pages, entries, md_root
META_HEAD = struct.Struct("<IIQQ")         # mm_magic, mm_version, mm_address, mm_mapsize
NONE = (1 << 64) - 1


class Damaged(ValueError):
    """The file is not what the format says."""


class Lmdb:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = f.read()
        metas = [m for m in (self.meta(HEADER), self.second_meta()) if m]
        if not metas:
            raise Damaged(f"{path}: no valid meta page")
        self.txnid, self.last_page, self.size, self.free, self.main = max(metas, key=lambda m: m[0])
        self.seen = set()
        self.names = {}
        for key, value, sub in self.walk(self.main):
            if not sub or len(value) != DB.size:
                raise Damaged(f"{key} in the main database is no database")
            self.names[key.decode()] = DB.unpack(value)

    def meta(self, at):
        """At the end of a page's header; None where it is none. The free database's md_pad is the page size."""
        if len(self.data) < at + META_HEAD.size + 2 * DB.size + 16:
            return None
        magic, version, _, _ = META_HEAD.unpack_from(self.data, at)
        flags, = struct.unpack_from("<H", self.data, at - HEADER + 10)
        if magic != 0xBEEFC0DE or version & 0xffff != 1 or not flags & META:
            return None
        at += META_HEAD.size
        free, main = DB.unpack_from(self.data, at), DB.unpack_from(self.data, at + DB.size)
        last, txnid = struct.unpack_from("<QQ", self.data, at + 2 * DB.size)
        return txnid, last, free[0], free, main

    def second_meta(self):
        first = self.meta(HEADER)
        sizes = [first[2]] if first else [1 << n for n in range(9, 17)]
        return next((m for m in (self.meta(HEADER + size) for size in sizes) if m), None)

    def page(self, number, pages=1):
        """Its place; every page has one owner."""
        for n in range(number, number + pages):
            if n in self.seen or n > self.last_page or n < 2:
                raise Damaged(f"page {n} is used twice or lies outside (2 to {self.last_page})")
            self.seen.add(n)
        at = number * self.size
        if at + pages * self.size > len(self.data):
            raise Damaged(f"page {number} is beyond the end of the file")
        if struct.unpack_from("<Q", self.data, at)[0] != number:
            raise Damaged(f"page {number} says that it is another")
        return at

    def nodes(self, at):
        lower, = struct.unpack_from("<H", self.data, at + 12)
        for i in range((lower - HEADER) // 2):
            node = at + struct.unpack_from("<H", self.data, at + HEADER + 2 * i)[0]
            yield node, *struct.unpack_from("<HHHH", self.data, node)  # mn_lo, mn_hi, mn_flags, mn_ksize

    def walk(self, db):
        """(key, value, whether the value is a database) of the tree, in order."""
        counts = [0, 0, 0, 0]
        try:
            if db[7] != NONE:
                yield from self.walk_page(db[7], db[2], counts)
        except struct.error as error:
            raise Damaged(f"a place beyond the end of the file: {error}") from error
        if counts != list(db[3:7]):
            raise Damaged(f"pages and entries are {counts}, the database says {list(db[3:7])}")

    def walk_page(self, number, depth, counts):
        at = self.page(number)
        flags, = struct.unpack_from("<H", self.data, at + 10)
        if flags & (BRANCH | LEAF) != (BRANCH if depth > 1 else LEAF):
            raise Damaged(f"page {number} has flags {flags:#x} at depth {depth} above the leaves")
        counts[0 if flags & BRANCH else 1] += 1
        for node, low, high, node_flags, key_size in self.nodes(at):
            if flags & BRANCH:
                yield from self.walk_page(low | high << 16 | node_flags << 32, depth - 1, counts)
                continue
            counts[3] += 1
            start, size = node + 8 + key_size, low | high << 16
            key, value = self.data[node + 8:start], self.data[start:start + size]
            if node_flags & DUPDATA:
                raise Damaged("sorted duplicates are not read")
            if node_flags & BIGDATA:
                first, = struct.unpack_from("<Q", self.data, start)
                pages = (HEADER + size + self.size - 1) // self.size
                start = self.page(first, pages)
                if struct.unpack_from("<H", self.data, start + 10)[0] & OVERFLOW == 0:
                    raise Damaged(f"page {first} is no overflow page")
                counts[2] += pages
                value = self.data[start + HEADER:start + HEADER + size]
            yield key, value, bool(node_flags & SUBDATA)

    def items(self, name):
        """All keys and values of a database, once each; none if there is no such database."""
        if name not in self.names:
            return
        if self.names[name][1] & DUPSORT:
            raise Damaged(f"{name}: sorted duplicates are not read")
        for key, value, _ in self.walk(self.names[name]):
            yield key, value

    def check_pages(self):
        """After all databases were read: each page is used or free, none both. Of format 0.9: the free database has
        transaction ids as keys, a count and page numbers as values."""
        free = []
        for _, value, _ in self.walk(self.free):
            numbers = struct.unpack_from(f"<{len(value) // 8}Q", value)
            free += numbers[1:1 + numbers[0]]
        both = self.seen & set(free)
        lost = self.last_page - 1 - len(self.seen) - len(free)
        if both or lost or len(set(free)) != len(free):
            raise Damaged(f"{len(both)} pages are both used and free, {lost} are neither")
