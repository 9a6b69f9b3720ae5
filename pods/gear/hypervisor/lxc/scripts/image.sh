#!/bin/sh
# Copies of images on the host, unpacked, ready to be cloned.

verb_has_image() { # KEY
    if [ -d "$STORE/images/$1" ]; then echo yes; else echo no; fi
}

# The bytes come on standard input. They are unpacked beside the final place and renamed; an interrupted copy is removed by
# the next. Callers for the same image wait for each other, and the later ones find it there.
verb_add_image() { # KEY SHA256
    make_store
    load_store
    lock "image-$1" 600
    if [ -d "$STORE/images/$1" ]; then
        return 0
    fi
    raw=$STORE/images/.$1.tar.zst
    new=$STORE/images/.$1.new
    remove_root "$new" "image-$1"
    trap 'rm -f "$raw"' EXIT
    trap 'exit 143' HUP INT TERM
    cat >"$raw"
    printf '%s  %s\n' "$2" "$raw" | sha256sum --check --status || refuse 76 "the image's bytes do not match its checksum"
    new_root "$new" "image-$1"
    if ! zstd -dcq "$raw" | tar --numeric-owner --xattrs --xattrs-include='*' -xpf - -C "$new"; then
        room=$(df -Pk "$STORE" | awk 'NR == 2 { print $4 }')
        remove_root "$new" "image-$1"
        [ "$room" -gt 65536 ] || refuse 77 "the store is full"
        refuse 76 "the image cannot be unpacked"
    fi
    keep_root "$new" "$STORE/images/$1" "image-$1"
}

verb_drop_image() { # KEY
    make_store
    load_store
    lock "image-$1" 60
    rm -f "$STORE/images/.$1.tar.zst"
    remove_root "$STORE/images/.$1.new" "image-$1"
    remove_root "$STORE/images/$1" "image-$1"
}
