# Tells switches and bridges where a guest is now: a gratuitous ARP request from its own port, three times.
#
# usage: nsenter -t PID -n perl announce.pl INTERFACE MAC ADDRESS
#
# After a move other machines' switches still send frames for the guest's MAC to its old host, until they forget it (minutes)
# or hear from it. A guest that only listens would not be heard.
use strict;
use warnings;

my ($interface, $mac, $address) = @ARGV;
my $hardware = pack 'H12', $mac =~ tr/://dr;
my $internet = pack 'C4', split /\./, $address;
my ($AF_PACKET, $SOCK_RAW, $ARP, $SIOCGIFINDEX) = (17, 3, 0x0806, 0x8933);

socket(my $socket, $AF_PACKET, $SOCK_RAW, unpack('S', pack('n', $ARP))) or die "socket: $!\n";
my $request = pack 'a16 x24', $interface;
ioctl($socket, $SIOCGIFINDEX, $request) or die "there is no $interface: $!\n";
my $index = unpack 'x16 i', $request;
my $all = "\xff" x 6;
my $frame = $all . $hardware . pack('n n n C C n', $ARP, 1, 0x0800, 6, 4, 1) . $hardware . $internet . "\0" x 6 . $internet;
my $to = pack 'S n i S C C a8', $AF_PACKET, $ARP, $index, 1, 0, 6, $all;
for (1 .. 3) {
    send($socket, $frame, 0, $to) or die "send: $!\n";
    select undef, undef, undef, 0.05;
}
