# Reads and writes a few files inside a guest's root, which the guest may have filled with traps.
#
# usage: inside.pl write ZONE TAGS | inside.pl first-boot ZONE
#   write       files come on standard input, each as "NAME SIZE\n" and its bytes; "config" becomes the configuration of the
#               zone, of which this host takes the lines tagged with one of TAGS (see ../render.py); the rest goes into the root
#   first-boot  prints "exit=CODE" and the end of the log, or nothing while there is no exit code
#
# Perl, because it is on every Debian machine and can change its root and go on in the same process: a shell would have to
# run a program of the guest's. After chroot every path, whatever symbolic links it meets, stays inside; @INC is emptied so
# that nothing of the guest's is ever loaded. Files are replaced by rename, read only if they are plain, and read bounded.
use strict;
use warnings;
use Fcntl qw(O_RDONLY O_WRONLY O_CREAT O_EXCL O_NOFOLLOW O_NONBLOCK);

my %PLACES = (
    'hostname'        => ['/etc/hostname',                0644],
    'hosts'           => ['/etc/hosts',                   0644],
    'resolv.conf'     => ['/etc/resolv.conf',             0644],
    'authorized_keys' => ['/root/.ssh/authorized_keys',   0600],
    'user-script'     => ['/var/lib/mcp/user-script',     0700],
);

sub enter {
    my ($root) = @_;
    @INC = ();
    chroot($root) && chdir('/') or die "chroot: $!\n";
    umask 077;
}

sub read_frames {
    my ($all, $part, %texts) = ('', '');
    $all .= $part while sysread(STDIN, $part, 65536);
    while (length $all) {
        $all =~ s/\A([a-z_.-]+) ([0-9]+)\n// or die "the files are not understood\n";
        my ($name, $size) = ($1, $2);
        length $all >= $size or die "the files end in the middle\n";
        $texts{$name} = substr($all, 0, $size, '');
    }
    return %texts;
}

sub make_parents {
    my ($path) = @_;
    my @parts = split m{/}, $path;
    pop @parts;
    my $directory = '';
    for my $part (@parts) {
        next if $part eq '';
        $directory .= "/$part";
        next if -d $directory;
        unlink $directory;
        mkdir $directory, ($part eq '.ssh' ? 0700 : 0755) or die "mkdir $directory: $!\n";
        chmod(($part eq '.ssh' ? 0700 : 0755), $directory);
    }
    return $directory;
}

sub replace {
    my ($path, $mode, $text, $fresh) = @_;
    my $temporary = make_parents($path) . "/.mcp-new-$$";
    unlink $temporary;
    sysopen(my $file, $temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, $mode) or die "create $path: $!\n";
    my $done = 0;
    while ($done < length $text) {
        my $count = syswrite($file, $text, length($text) - $done, $done);
        defined $count or die "write $path: $!\n";
        $done += $count;
    }
    chmod $mode, $file;
    close $file or die "write $path: $!\n";
    # Renaming over a file makes btrfs write out the new one at once, 5 to 10 ms each. A fresh root needs no such care: until
    # it is marked as ready it is built anew.
    unlink $path if $fresh;
    rename $temporary, $path or die "rename $path: $!\n";
}

sub read_end {
    my ($path, $limit) = @_;
    sysopen(my $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or return undef;
    return undef unless -f $file;
    my $size = -s _;
    sysseek($file, $size - $limit, 0) if $size > $limit;
    my $text = '';
    sysread($file, $text, $limit);
    return $text;
}

my ($verb, $zone, $tags) = @ARGV;
my $root = "$zone/rootfs";
if ($verb eq 'write') {
    my %texts = read_frames();
    my $config = delete $texts{config};
    defined $config or die "there is no configuration\n";
    replace("$zone/config", 0644, join '', map { /^[$tags] (.*\n)/ ? $1 : () } $config =~ /^.*\n/mg);
    my $fresh = !-e "$zone/ready";
    enter($root);
    for my $name (sort keys %texts) {
        my $place = $PLACES{$name} or die "no place for $name\n";
        replace(@$place, $texts{$name}, $fresh);
    }
} elsif ($verb eq 'first-boot') {
    enter($root);
    my $code = read_end('/var/lib/mcp/first-boot.exit', 16);
    exit 0 unless defined $code && $code =~ /^([0-9]{1,3})\n?$/;
    my $log = read_end('/var/lib/mcp/first-boot.log', 4096);
    syswrite(STDOUT, "exit=$1\n");
    syswrite(STDOUT, $log) if defined $log;
} else {
    die "no such verb\n";
}
