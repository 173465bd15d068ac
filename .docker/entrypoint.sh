#!/bin/sh
# What a container runs first: it does what the entrypoint of redis:7-alpine does.
set -e

# Options or a configuration file alone are meant for the server.
case "$1" in
-* | *.conf) set -- redis-server "$@" ;;
esac

# As root, the server gets a user of its own, who must own the data. `--user` and other commands stay as they are.
if [ "$(id -u)" = 0 ] && { [ "$1" = redis-server ] || [ "$1" = redis-sentinel ] || [ "$1" = vermilion ]; }; then
    find . ! -user redis -exec chown -h redis '{}' +
    exec setpriv --reuid=redis --regid=redis --clear-groups -- "$0" "$@"
fi

# Data files are nobody else's business, unless somebody has decided otherwise.
if [ "$(umask)" = 0022 ]; then
    umask 0077
fi

# From here on the command is process 1: signals reach it, and its exit is the container's.
exec "$@"
