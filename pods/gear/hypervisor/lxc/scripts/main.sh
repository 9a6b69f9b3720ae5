#!/bin/sh
# usage: SCRIPTS STORE LXC_PATH VERB ARGUMENT...

export SCRIPTS="$1" STORE="$2" LXC_PATH="$3"
verb=$4
shift 4

case $verb in
    create | configure | start | stop | destroy | wait | first_boot | has_image | add_image | drop_image | probe | \
        measure | export | has_root | receive | adopt)
        "verb_$verb" "$@"
        ;;
    inventory | observe)
        load_store
        dump "$1"
        ;;
    *) refuse 75 "there is no verb $verb" ;;
esac
